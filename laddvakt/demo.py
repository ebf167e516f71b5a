"""A believable network to try things on: Swedish sites, invented makers, and logins that everybody knows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from argon2 import PasswordHasher

from laddvakt.billing import parse_tariff
from laddvakt.network import Network, apply_network
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores.ports import AuditItem, Records, User

_PER_SITE = 20  # stations at a site before a second one opens in that city


class DemoLogin(NamedTuple):
    """A user with a password that everybody knows."""

    name: str
    password: str
    role: str
    purpose: str


DEMO_LOGINS: tuple[DemoLogin, ...] = (
    DemoLogin("wall", "wall", "viewer", "the control room's display"),
    DemoLogin("maintainer", "maintainer", "maintainer", "maintenance: fault tickets"),
    DemoLogin("manager", "manager", "manager", "revenue, tariffs, reliability"),
    DemoLogin("admin", "admin", "admin", "everything"),
)
"""Made only by `laddvakt up --demo`."""


class _City(NamedTuple):
    code: str
    name: str
    latitude: float
    longitude: float


class _Model(NamedTuple):
    vendor: str
    model: str
    current: str
    max_power_w: float
    phases: int
    connectors: int
    type: str
    max_current_a: float
    tethered: bool


_CITIES = (
    _City("STO", "Stockholm Hagastaden", 59.3466, 18.0332),
    _City("GOT", "Göteborg Lindholmen", 57.7070, 11.9384),
    _City("MMA", "Malmö Hyllie", 55.5627, 12.9764),
    _City("UPP", "Uppsala Resecentrum", 59.8586, 17.6459),
    _City("OST", "Östersund Storsjöbadet", 63.1886, 14.6265),
)
_SPECIAL = "MMA"  # the city with a tariff of its own

_SOCKETS = _Model("Norrsken Energi", "Fyr 22", "AC", 22_080, 3, 2, "IEC_62196_T2", 32, tethered=False)
_CABLES = _Model("Kontakt Verk", "Stolpe T2", "AC", 22_080, 3, 2, "IEC_62196_T2", 32, tethered=True)
_FAST = _Model("Havsvolt", "Rapid 50", "DC", 50_000, 3, 1, "IEC_62196_T2_COMBO", 125, tethered=True)
_FASTER = _Model("Kontakt Verk", "Blixt 150", "DC", 150_000, 3, 2, "IEC_62196_T2_COMBO", 375, tethered=True)
# In turn over a city's stations: mostly AC, as at most real sites.
_MIX = (_SOCKETS, _SOCKETS, _FASTER, _CABLES, _FAST)

_FIRST_NAMES = (
    *("Anna", "Erik", "Maria", "Lars", "Karin", "Mikael", "Eva", "Anders", "Sara", "Johan", "Lena", "Per"),
    *("Emma", "Nils", "Ingrid", "Karl", "Amina", "Jonas", "Elin", "Ali", "Maja", "Oskar", "Hanna", "Leif"),
)
_LAST_NAMES = (
    *("Andersson", "Johansson", "Karlsson", "Nilsson", "Eriksson", "Larsson", "Olsson", "Persson", "Svensson"),
    *("Gustafsson", "Pettersson", "Jonsson", "Hansson", "Lindberg", "Lindqvist", "Hassan", "Bergström", "Nyström"),
)


def demo_network(stations: int = 25) -> Network:
    """The same network for the same number of stations: their ids are `SE-STO-001`, `SE-GOT-001`, ..."""
    placed = [_station(number) for number in range(stations)]
    cities = [_site(index, second) for second in range(_seconds(stations)) for index in range(len(_CITIES))]
    return Network.model_validate(
        {
            "sites": cities,
            "stations": placed,
            "drivers": list(_drivers(stations)),
            "tokens": list(_tokens(stations)),
            "tariffs": [_tariff(**tariff) for tariff in _TARIFFS],
            "assignments": list(_assignments(placed, cities)),
        }
    )


def apply_demo(records: Records, settings: Settings, *, stations: int, now: datetime) -> list[str]:
    """Puts the demo network and its logins into the records; an existing user keeps its password. Gives back lines
    to show. Raises StoreError."""
    network = demo_network(stations)
    key, lists = privacy_key(settings), settings.ocpp.local_list
    apply_network(network, records, privacy_key=key, now=now, actor="up --demo", local_lists=lists)
    hasher = PasswordHasher()
    with records.begin() as work:
        for login in DEMO_LOGINS:
            if work.people.user(login.name) is not None:
                continue
            password_hash = hasher.hash(login.password)
            work.people.save_user(User(name=login.name, role=login.role, password_hash=password_hash))
            item = AuditItem(at=now, actor="up --demo", action="user.add", object=login.name)
            work.people.audit(item)
    logins = ", ".join(f"{login.name}/{login.password}" for login in DEMO_LOGINS)
    return [
        f"Demo:           {stations} simulated stations at {len(network.sites)} sites",
        f"Logins:         {logins}",
    ]


def _seconds(stations: int) -> int:
    """How many sites each city needs."""
    return -(-stations // (len(_CITIES) * _PER_SITE))


def _site_id(city: _City, second: int) -> str:
    return city.code.lower() + (f"-{second + 1}" if second else "")


def _site(index: int, second: int) -> dict[str, Any]:
    city = _CITIES[index]
    return {
        "id": _site_id(city, second),
        "name": city.name + (f" {second + 1}" if second else ""),
        "timezone": "Europe/Stockholm",
        "currency": "SEK",
        "latitude": round(city.latitude + 0.004 * second, 4),
        "longitude": round(city.longitude + 0.007 * second, 4),
        "opening_hours": "24/7",
    }


def _station(number: int) -> dict[str, Any]:
    city, of_city = _CITIES[number % len(_CITIES)], number // len(_CITIES)
    model = _MIX[(of_city + number) % len(_MIX)]
    station_id = f"SE-{city.code}-{of_city + 1:03d}"
    return {
        "id": station_id,
        "site": _site_id(city, of_city // _PER_SITE),
        "vendor": model.vendor,
        "model": model.model,
        "current": model.current,
        "max_power_w": model.max_power_w,
        "phases": model.phases,
        "connectors": [
            {
                "id": connector,
                "type": model.type,
                "max_current_a": model.max_current_a,
                "max_power_w": model.max_power_w,
                "cable": f"CBL-{city.code}-{of_city + 1:03d}-{connector}" if model.tethered else None,
            }
            for connector in range(1, model.connectors + 1)
        ],
    }


def _driver_count(stations: int) -> int:
    return max(40, 2 * stations)  # so that hardly anybody has to charge in two places at once


def _drivers(stations: int) -> Iterator[dict[str, Any]]:
    for number in range(1, _driver_count(stations) + 1):
        first = _FIRST_NAMES[number % len(_FIRST_NAMES)]
        last = _LAST_NAMES[(number * 5 + number // len(_LAST_NAMES)) % len(_LAST_NAMES)]
        yield {
            "id": f"driver-{number:04d}",
            "name": f"{first} {last}",
            "email": f"driver-{number:04d}@example.org",
            "phone": f"+46 70 174 06 {5 + number % 95:02d}",  # numbers kept free for fiction
            "plan": "fleet" if number % 4 == 0 else "private",
        }


def _tokens(stations: int) -> Iterator[dict[str, Any]]:
    rng = random.Random("laddvakt demo")  # noqa: S311 - card numbers for a demo, not secrets
    for number in range(1, _driver_count(stations) + 1):
        driver = f"driver-{number:04d}"
        # 7-byte UIDs as readers of MIFARE cards give them: the first byte is the maker's.
        yield {"id_tag": f"04{rng.getrandbits(48):012X}", "kind": "rfid", "driver": driver}
        if number % 5 == 0:
            yield {"id_tag": f"APP{number:05d}{rng.getrandbits(32):08X}", "kind": "app", "driver": driver}
    yield {"id_tag": f"04{rng.getrandbits(48):012X}", "kind": "rfid", "status": "Blocked"}


# Prices exclude VAT of 25 %: 4.00 and 4.00, 5.99 and 30.00, 4.95 SEK including it.
_TARIFFS: tuple[dict[str, Any], ...] = (
    {
        "tariff_id": "SE-AC",
        "text": "4,00 kr start + 4,00 kr per kWh",
        "prices": (("FLAT", 3.2, 1), ("ENERGY", 3.2, 1)),
    },
    {
        "tariff_id": "SE-DC",
        "text": "5,99 kr per kWh + 30,00 kr per timme",
        "prices": (("ENERGY", 4.792, 1), ("TIME", 24, 60)),
    },
    {"tariff_id": "SE-MALMO", "text": "4,95 kr per kWh", "prices": (("ENERGY", 3.96, 1),)},
)


def _tariff(tariff_id: str, text: str, prices: tuple[tuple[str, float, int], ...]) -> dict[str, Any]:
    components = [{"type": kind, "price": price, "vat": 25, "step_size": step} for kind, price, step in prices]
    ocpi: dict[str, Any] = {
        "country_code": "SE",
        "party_id": "LDV",
        "id": tariff_id,
        "currency": "SEK",
        "type": "REGULAR",
        "tariff_alt_text": [{"language": "sv", "text": text}],
        "elements": [{"price_components": components}],
        "last_updated": "2026-01-01T00:00:00Z",
    }
    return {"id": parse_tariff(ocpi).tariff_id, "ocpi": ocpi}


def _assignments(stations: list[dict[str, Any]], sites: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """AC prices everywhere, DC prices at DC stations, one price for all at the special city."""
    yield {"tariff": "SE-AC"}
    special = [site["id"] for site in sites if site["id"].startswith(_SPECIAL.lower())]
    for site in special:
        yield {"tariff": "SE-MALMO", "site": site}
    for station in stations:
        if station["current"] == "DC" and station["site"] not in special:
            yield {"tariff": "SE-DC", "station": station["id"]}
