"""Stations' passwords: how they are kept, and in which forms stations show them."""

from __future__ import annotations

import re
import secrets

from argon2 import PasswordHasher

# Stations' passwords are long and random (OCPP 1.6 security whitepaper section 3.3), so a light hash is enough; a
# heavy one would make thousands of stations that reconnect at once wait for each other.
STATION_HASHER = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)

_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){16,20}")
_KEY_BYTES = range(16, 21)


def new_password() -> str:
    """40 hexadecimal digits: 20 random bytes, which every version of OCPP can be told (1.6: AuthorizationKey is
    hexadecimal; 2.x: BasicAuthPassword is 16 to 40 characters of an alphabet that has these)."""
    return secrets.token_hex(20)


def forms(shown: bytes) -> tuple[bytes, ...]:
    """What a station may mean by the password that it shows, itself first; at most four.

    AuthorizationKey is told in hexadecimal (OCPP 1.6 security whitepaper, A00). By the book a station shows the 16
    to 20 bytes that the digits stand for; some show the digits, of either case.
    """
    if _HEX.fullmatch(shown):
        return tuple(dict.fromkeys((shown, shown.lower(), shown.upper(), bytes.fromhex(shown.decode()))))
    if len(shown) in _KEY_BYTES:
        return shown, shown.hex().encode(), shown.hex().upper().encode()
    return (shown,)
