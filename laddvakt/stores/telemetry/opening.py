"""Which telemetry store the settings name."""

from __future__ import annotations

from urllib.parse import urlsplit

from laddvakt.domain.errors import SettingsError
from laddvakt.settings import Settings
from laddvakt.stores.ports import Telemetry
from laddvakt.stores.telemetry.embedded import EmbeddedTelemetry

EMBEDDED = "embedded:"


def open_telemetry(settings: Settings, *, patient: bool = True) -> Telemetry:
    """The telemetry store that the settings name; nothing is connected yet. `patient=False`: one short try of each
    request, for somebody who waits. Raises SettingsError for a URL that is neither `embedded:` nor an
    InfluxDB's."""
    url = settings.telemetry.url
    if url == EMBEDDED:
        return EmbeddedTelemetry(settings.data_dir / "telemetry")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"telemetry.url {url!r} is neither `embedded:` nor the URL of an InfluxDB.",
            mend="Write for example http://127.0.0.1:8086.",
        )
    # Its client takes a while to import, and most installations do without.
    from laddvakt.stores.telemetry.influx import ATTEMPTS, InfluxTelemetry  # noqa: PLC0415 - see above

    options = settings.telemetry
    return InfluxTelemetry(
        url,
        token=options.token,
        org=options.org,
        bucket=options.bucket,
        timeout_s=10 if patient else 4,
        attempts=ATTEMPTS if patient else 1,
    )
