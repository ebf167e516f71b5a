"""What a simulated station is: its nameplate, and how its maker writes messages."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from laddvakt.domain.tokens import AuthorizationStatus

if TYPE_CHECKING:
    from laddvakt.network.model import Network, NetworkStation

_ID_TAG_LENGTH = 20  # CiString20Type; longer tokens are for OCPP 2.x


class ConnectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One connector of the nameplate. `cable_id` is the asset id of a fixed cable, None for a socket."""

    connector_id: int
    type: str = "IEC_62196_T2"
    max_current_a: float = 32.0
    max_power_w: float = 22_080.0
    cable_id: str | None = None


class StationSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A station's nameplate. `current` is "AC" or "DC"; power in watts."""

    station_id: str
    vendor: str
    model: str
    current: str = "AC"
    max_power_w: float = 22_080.0
    phases: int = 3
    connectors: tuple[ConnectorSpec, ...]
    site_id: str = ""
    firmware: str = "1.8.2"
    password: str | None = None  # HTTP Basic, security profile 1
    protocol: str = "ocpp1.6"  # or ocpp2.0.1, ocpp2.1
    devices: bool = False  # an independent meter and sensors that speak MQTT


class Dialect(NamedTuple):
    """What a maker's firmware says, all of it correctly labelled."""

    energy_unit: str = "Wh"  # Wh or kWh
    power_unit: str = "W"  # W or kW
    register_step_wh: int = 1  # resolution of the meter
    temperature: bool = True  # reports plug and body temperature over OCPP
    voltage: bool = True
    transaction_data: bool = True  # sends begin and end readings with StopTransaction
    interval_s: float = 60.0  # between meter values of a session, as the model comes
    aligned_s: float = 0.0  # between readings of an idle meter; 0: none
    phase_power: bool = False  # says the power of each phase and not their sum


_DIALECTS = (
    Dialect(),
    Dialect(temperature=False),
    Dialect(energy_unit="kWh", power_unit="kW", register_step_wh=10),
    Dialect(voltage=False, transaction_data=False),
)


_HABITS: dict[str, dict[str, Any]] = {
    "Fyr 22": {"aligned_s": 900.0},
    "Fyr 11": {"energy_unit": "kWh", "power_unit": "kW", "register_step_wh": 10, "interval_s": 30.0},
    "Stolpe T2": {"interval_s": 10.0, "aligned_s": 300.0},
    "Blixt 150": {"interval_s": 10.0, "register_step_wh": 10, "aligned_s": 900.0},
    "Rapid 60": {"register_step_wh": 100},
    "Torget 22": {"interval_s": 300.0, "phase_power": True, "register_step_wh": 10, "aligned_s": 900.0},
    "Hamn 7": {"interval_s": 5.0},
}
"""What stations of our own models do, beside the dialect of their maker."""


class _Model(NamedTuple):
    vendor: str
    model: str
    current: str
    max_power_w: float
    max_current_a: float
    connectors: int
    type: str
    fixed_cable: bool
    phases: int = 3


_MODELS = (
    _Model("Norrsken Energi", "Fyr 22", "AC", 22_080, 32, 2, "IEC_62196_T2", False),
    _Model("Norrsken Energi", "Fyr 11", "AC", 11_040, 16, 1, "IEC_62196_T2", True),
    _Model("Kontakt Verk", "Stolpe T2", "AC", 22_080, 32, 2, "IEC_62196_T2", True),
    _Model("Kontakt Verk", "Blixt 150", "DC", 150_000, 400, 2, "IEC_62196_T2_COMBO", True),
    _Model("Havsvolt", "Rapid 60", "DC", 60_000, 150, 1, "IEC_62196_T2_COMBO", True),
    _Model("Havsvolt", "Torget 22", "AC", 22_080, 32, 2, "IEC_62196_T2", False),
    _Model("Norrsken Energi", "Hamn 7", "AC", 7_360, 32, 1, "IEC_62196_T2", True, 1),
)
_MIX = (0, 1, 0, 2, 3, 1, 2, 4, 5, 0, 6, 3)  # which models, in turn: three quarters AC


def dialect_of(spec: StationSpec) -> Dialect:
    """The dialect of a vendor and model; the same for all stations of that model."""
    base = _DIALECTS[random.Random(f"dialect/{spec.vendor}/{spec.model}").randrange(len(_DIALECTS))]
    return base._replace(**_HABITS.get(spec.model, {}))


def has_terminal(protocol: str) -> bool:
    """Whether stations that speak it take payment cards: before OCPP 2.1 no message says so."""
    return protocol == "ocpp2.1"


def is_dc(spec: StationSpec) -> bool:
    return spec.current == "DC"


def three_phase(spec: StationSpec) -> bool:
    return not is_dc(spec) and spec.phases == 3


def measures_voltage(spec: StationSpec) -> bool:
    """Whether it tells voltages: of the mains (AC), or of the battery (DC)."""
    return dialect_of(spec).voltage


def measures_mains(spec: StationSpec) -> bool:
    return not is_dc(spec) and measures_voltage(spec)


def make_specs(stations: int, *, first: int = 1) -> tuple[StationSpec, ...]:
    """Nameplates of a plain mixed fleet: `SIM-0001`, `SIM-0002`, ..."""
    return tuple(_make(number, _MODELS[_MIX[number % len(_MIX)]]) for number in range(first, first + stations))


def _make(number: int, model: _Model) -> StationSpec:
    station_id = f"SIM-{number:04d}"
    connectors = tuple(
        ConnectorSpec(
            connector_id=index,
            type=model.type,
            max_current_a=model.max_current_a,
            max_power_w=model.max_power_w,
            cable_id=f"CABLE-{number:04d}-{index}" if model.fixed_cable else None,
        )
        for index in range(1, model.connectors + 1)
    )
    return StationSpec(
        station_id=station_id,
        vendor=model.vendor,
        model=model.model,
        current=model.current,
        max_power_w=model.max_power_w,
        phases=model.phases,
        connectors=connectors,
        site_id=f"SITE-{(number - 1) // 5 + 1}",
    )


def speaking(specs: tuple[StationSpec, ...], protocols: tuple[str, ...]) -> tuple[StationSpec, ...]:
    """The same stations, which take turns with the versions of OCPP."""
    return tuple(
        msgspec.structs.replace(spec, protocol=protocols[number % len(protocols)])
        for number, spec in enumerate(specs)
    )


def with_devices(specs: tuple[StationSpec, ...], share: float, seed: int) -> tuple[StationSpec, ...]:
    """The same stations, of which a share has independent devices."""
    rng = random.Random(f"devices/{seed}")
    return tuple(msgspec.structs.replace(spec, devices=rng.random() < share) for spec in specs)


def make_tokens(count: int, seed: int) -> tuple[str, ...]:
    """RFID card numbers, 7-byte UIDs in hexadecimal as readers send them."""
    rng = random.Random(f"tokens/{seed}")
    return tuple(f"04{rng.getrandbits(48):012X}" for _ in range(count))


def specs_from_network(network: Network) -> tuple[tuple[StationSpec, ...], tuple[str, ...]]:
    """Stations, and the idTags that may charge. What the network leaves out is made up plausibly."""
    tokens = tuple(
        token.id_tag
        for token in network.tokens
        if token.status is AuthorizationStatus.ACCEPTED and len(token.id_tag) <= _ID_TAG_LENGTH
    )
    return tuple(_from_station(station) for station in network.stations), tokens


def _from_station(station: NetworkStation) -> StationSpec:
    dc = station.current == "DC"
    phases = station.phases or 3
    power_w = station.max_power_w or (150_000.0 if dc else 22_080.0)
    typical_a = round(power_w / 375 if dc else power_w / (230 * phases))
    connectors = tuple(
        ConnectorSpec(
            connector_id=connector.id,
            type=connector.type or ("IEC_62196_T2_COMBO" if dc else "IEC_62196_T2"),
            max_current_a=connector.max_current_a or typical_a,
            max_power_w=connector.max_power_w or power_w,
            cable_id=connector.cable,
        )
        for connector in station.connectors
    )
    return StationSpec(
        station_id=station.id,
        vendor=station.vendor or "Norrsken Energi",
        model=station.model or "Fyr 22",
        current="DC" if dc else "AC",
        max_power_w=power_w,
        phases=phases,
        connectors=connectors or (ConnectorSpec(connector_id=1),),
        site_id=station.site or "",
        password=station.password,
    )
