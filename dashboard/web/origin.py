"""Whether a request that changes something came from our own pages (defence against cross-site request forgery).

The order of checks is the one of Go's `http.CrossOriginProtection`: no hidden form tokens, and programs that are
no browsers (they send neither header) are not troubled.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of a URL, lower case; empty when it has none."""
    parts = urlsplit(url.strip().lower())
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def crosses_sites(*, method: str, headers: Mapping[str, str], public_origin: str = "") -> str | None:
    """Why this request must not be obeyed on the strength of a cookie; None when it may be.

    `method` is `WEBSOCKET` for the opening of one. `headers` have lower-case names. `public_origin` is how people
    reach us where a proxy changes the Host header.
    """
    if method in _SAFE_METHODS:
        return None
    origin = headers.get("origin", "").lower()
    if origin and origin == public_origin:
        return None
    site = headers.get("sec-fetch-site", "")
    if site:
        return None if site in {"same-origin", "none"} else f"it was sent from a {site} page"
    if not origin:
        return None
    own = headers.get("host", "").lower()
    return None if urlsplit(origin).netloc == own else f"it was sent from a page of {origin}"
