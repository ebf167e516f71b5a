"""One file per kind of station that means something else than it says. To add one: write its file, name the public
source of what it does, and add it to the table here."""

from __future__ import annotations

from functools import lru_cache

from collector.ocpp.quirks import abb_terra_ac, growatt_thor, injet_sonic, keba_p30
from collector.ocpp.quirks.profile import Profile

PROFILES: tuple[Profile, ...] = tuple(
    module.PROFILE for module in (abb_terra_ac, growatt_thor, injet_sonic, keba_p30)
)


@lru_cache(maxsize=4096)
def profile_of(vendor: str | None, model: str | None, firmware: str | None) -> Profile | None:
    """The profile of a station by what its BootNotification says, or None: most have none."""
    if vendor is None:
        return None
    return next((profile for profile in PROFILES if profile.fits(vendor, model or "", firmware or "")), None)
