"""Runs a program that dies with its parent: `leash.py USER PROGRAM ARGUMENTS...` (USER `-`: the same user).

Linux kills it when the parent is gone, however that went (prctl PR_SET_PDEATHSIG). The bond must be tied after
the change of user, which would untie it.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    user, program = sys.argv[1], sys.argv[2:]
    parent = os.getppid()
    if user != "-":
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.environ["HOME"] = entry.pw_dir
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("leash: the parent is gone")
    os.execv(program[0], program)  # noqa: S606 a program and its arguments, no shell wanted


main()
