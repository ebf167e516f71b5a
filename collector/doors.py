"""What addresses stations may be served on, and how: each with a security profile (OCPP 2.0.1 part 2 A00)."""

from __future__ import annotations

from laddvakt.domain.errors import SettingsError
from laddvakt.settings import Listener, OcppSettings, is_loopback, split_address


def check(settings: OcppSettings) -> None:
    """Raises SettingsError for addresses that would let in whom nobody means to let in."""
    for door in settings.doors:
        _check(settings, door)


def _check(settings: OcppSettings, door: Listener) -> None:
    profile = door.security_profile
    if profile == 0 and not (_is_local(door) or settings.allow_open):
        raise SettingsError(
            f"stations would be served without passwords on {door.listen}.",
            mend="Set ocpp.security_profile = 1, or ocpp.allow_open = true where the network is closed.",
        )
    if profile == 0 and settings.signs:
        raise SettingsError(
            f"certificates would be signed for whoever names a station on {door.listen}.",
            mend="Set ocpp.security_profile to 1 or more, or sign none.",
        )
    if profile in (1, 2) and settings.unknown_stations == "accept":
        raise SettingsError(
            f"whoever invents a station id would be accepted without a password on {door.listen}: "
            f'ocpp.unknown_stations is "accept" with security profile {profile}.',
            mend='Set ocpp.unknown_stations to "pending" or "reject".',
        )
    if profile == 2 and settings.tls_at_proxy and not settings.trusted_proxies:
        raise SettingsError(
            "ocpp.tls_at_proxy needs ocpp.trusted_proxies, or anybody could say that they came over TLS.",
            mend="Name the proxy's address, for example 127.0.0.1.",
        )


def ends_tls(settings: OcppSettings, door: Listener) -> bool:
    """Whether TLS ends here and not before."""
    return door.security_profile == 3 or (door.security_profile == 2 and not settings.tls_at_proxy)


def doubts(settings: OcppSettings) -> list[str]:
    """What is allowed, and unwise: passwords that cross a network in the clear."""
    return [
        f"passwords of stations cross the network in the clear on {door.listen} (security profile 1)"
        for door in settings.doors
        if door.security_profile == 1 and not _is_local(door)
    ]


def _is_local(door: Listener) -> bool:
    return is_loopback(split_address(door.listen)[0])
