"""The doors that strangers' bytes come through, and what part of all inputs each is given."""

from __future__ import annotations

from collector.mqtt.mapping_file import load_mappings
from laddvakt.domain.errors import NetworkFileError, SettingsError
from laddvakt.network import read_network
from tests.fuzz.operators import MESSAGE, example_of, file_of, mqtt, mqtt_seeds, price_seeds, prices
from tests.fuzz.stations import LINKS, entries_run, entry_seeds, frame_seeds, frames, line_seeds, lines_run
from tests.fuzz.target import JSON, MSGPACK, Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("frames", 0.5, frame_seeds, frames, len(LINKS)),
        Target("entries", 0.22, entry_seeds, entries_run, 4, MSGPACK),
        Target("mqtt", 0.2, mqtt_seeds, mqtt, 8, MESSAGE),
        Target("lines", 0.0595, line_seeds, lines_run, 1, JSON),
        Target("prices", 0.0185, price_seeds, prices),
        Target(
            "mappings",
            0.0015,
            example_of("mappings.toml"),
            file_of(lambda path: load_mappings([path]), SettingsError),
            1,
            None,
        ),
        Target("networks", 0.0005, example_of("network.toml"), file_of(read_network, NetworkFileError), 1, None),
    )
}
