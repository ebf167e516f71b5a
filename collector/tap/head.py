"""The station's HTTP request on its way to the central system: the path and the Host change, nothing else."""

from __future__ import annotations

import urllib.parse
from typing import NamedTuple

from laddvakt.domain.errors import SettingsError

MAX_HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"
_GET = b"GET "  # a websocket frame cannot begin like this: G has a reserved bit, and no known opcode


class Upstream(NamedTuple):
    """Where the central system is. `path` goes in front of the station's own, unless it names `{station_id}`."""

    host: str
    port: int
    tls: bool
    authority: bytes  # as an own connection of the station would name it in `Host`
    path: str

    def target(self, asked: bytes) -> bytes:
        """The request target for the central system."""
        path, mark, query = asked.partition(b"?")
        if "{station_id}" in self.path:
            station = path.rstrip(b"/").rpartition(b"/")[2]
            return self.path.encode().replace(b"{station_id}", station) + mark + query
        return self.path.rstrip("/").encode() + asked


def parse_upstream(text: str) -> Upstream:
    """`ws[s]://host[:port][/path]`. Raises SettingsError."""
    mend = "Write for example wss://csms.example/ocpp/{station_id}."
    try:
        url = urllib.parse.urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise SettingsError(f"tap.upstream: {error}.", mend=mend) from error
    if url.scheme not in ("ws", "wss") or not host:
        raise SettingsError(f"tap.upstream {text!r} is not a ws:// or wss:// address.", mend=mend)
    if url.username is not None or url.query or url.fragment or not text.isascii():
        raise SettingsError(
            "tap.upstream takes no password, query or fragment: stations bring their own.", mend=mend
        )
    tls = url.scheme == "wss"
    return Upstream(host, port or (443 if tls else 80), tls, url.netloc.encode(), url.path)


class Fed(NamedTuple):
    """What to send on; the path of a request that is now complete, and what stands behind that request."""

    sent: bytes
    path: str | None = None
    behind: bytes = b""


class Requests:
    """Bytes of a station in, bytes for the central system out. What is no GET request passes as it is, for good:
    websocket frames above all."""

    def __init__(self, upstream: Upstream, *, keep_host: bool) -> None:
        self._upstream = upstream
        self._keep_host = keep_host
        self._head = b""
        self.passing = False

    def feed(self, data: bytes) -> Fed:
        if self.passing:
            return Fed(data)
        data = self._head + data
        self._head = b""
        if not data.startswith(_GET[: len(data)]):
            self.passing = True
            return Fed(data)
        end = data.find(_END)
        if end < 0:
            if len(data) > MAX_HEAD_BYTES:
                self.passing = True
                return Fed(data)
            self._head = data
            return Fed(b"")
        head, behind = data[: end + len(_END)], data[end + len(_END) :]
        asked = head.split(b" ", 2)[1].split(b"\r\n", 1)[0]
        more = self.feed(behind).sent if behind else b""
        return Fed(self._rewritten(head) + more, asked.decode("latin-1"), behind)

    def _rewritten(self, head: bytes) -> bytes:
        line, *fields = head.split(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or not words[1].startswith(b"/"):
            return head
        words[1] = self._upstream.target(words[1])
        return b"\r\n".join([b" ".join(words), *map(self._field, fields)])

    def _field(self, field: bytes) -> bytes:
        name, colon, value = field.partition(b":")
        if self._keep_host or not colon or name.lower() != b"host":
            return field
        blank = value[: len(value) - len(value.lstrip(b" \t"))]
        return name + colon + blank + self._upstream.authority
