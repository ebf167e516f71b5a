"""Security headers of every response."""

from __future__ import annotations

from collections.abc import Sequence

_STRICT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""For the sign-in page and the API: no script at all."""


def page_policy(script_hashes: Sequence[str] = ()) -> str:
    """A content security policy that Dash can live with. `script_hashes` (`Dash.csp_hashes()`) name its inline
    scripts; without them inline scripts have to be let through. Components set inline styles; AG Grid and Plotly
    make blobs for exports."""
    inline = " ".join(script_hashes) or "'unsafe-inline'"
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {inline}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "form-action 'self'",
            "base-uri 'self'",
            "frame-ancestors 'none'",
        )
    )


def security_headers(*, strict: bool, https: bool, script_hashes: Sequence[str] = ()) -> dict[str, str]:
    """Header name (lower case) -> value."""
    headers = {
        "content-security-policy": _STRICT_POLICY if strict else page_policy(script_hashes),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "cross-origin-opener-policy": "same-origin",
    }
    if https:
        headers["strict-transport-security"] = "max-age=31536000"
    return headers
