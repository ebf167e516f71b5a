"""Reading network files: the example, and every kind of fault, with its place and mend."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.errors import NetworkFileError
from laddvakt.domain.tickets import Severity
from laddvakt.domain.tokens import AuthorizationStatus, TokenKind
from laddvakt.network import Network, read_network

EXAMPLE = Path(__file__).parents[2] / "docs/examples/network.toml"

GOOD = """\
[[sites]]
id = "north"
name = "North"

[[stations]]
id = "S-1"
site = "north"

[[stations.connectors]]
id = 1
cable = "C-1"

[[drivers]]
id = "anna"

[[tokens]]
id_tag = "AB12"
driver = "anna"

[[tariffs]]
id = "t"
currency = "EUR"
elements = [{ price_components = [{ type = "FLAT", price = 1 }] }]
"""

EVA = "[[contacts]]\nid = 'eva'\nname = 'Eva'\nurls = 'https://eva.example'\n"
ROTA = f"{EVA}[[rotas]]\nid = 'r'\ncontacts = 'eva'\nfirst = 2026-11-02\n"


def read(folder: Path, text: str) -> Network:
    path = folder / "network.toml"
    path.write_text(text, "utf-8")
    return read_network(path)


def faults(folder: Path, text: str) -> str:
    with pytest.raises(NetworkFileError) as caught:
        read(folder, text)
    return str(caught.value)


def test_example_is_read_whole() -> None:
    network = read_network(EXAMPLE)
    first, second = network.stations
    assert [site.id for site in network.sites] == ["north", "harbour"]
    assert (first.site, first.current, first.phases, first.max_power_w) == ("north", "AC", 3, 22080)
    assert [(item.id, item.cable) for item in first.connectors] == [(1, None), (2, "CBL-0017")]
    assert second.connectors[0].type == "IEC_62196_T2_COMBO"
    assert network.tokens[1].kind is TokenKind.APP
    assert network.tokens[3].status is AuthorizationStatus.BLOCKED
    assert [tariff.id for tariff in network.tariffs] == ["ac", "dc"]
    assert network.tariffs[0].ocpi["last_updated"] == "2026-01-01T00:00:00Z"
    assert json.dumps([tariff.ocpi for tariff in network.tariffs])
    assert network.assignments is not None and network.routes is not None
    assert [item.place for item in network.assignments] == [("default", ""), ("station", "SE-HBG-001")]
    duty, second, office, chat = network.routes
    assert (duty.severity, duty.rota, duty.repeat_every) == ((Severity.P1, Severity.P2), "field", 1800)
    assert (second.backup, second.escalate_after, second.escalate_p1_after) == (True, 900, 300)
    assert chat.quiet == "22:00-06:00"
    assert (office.site, office.hours, len(office.urls)) == (("harbour",), "Mo-Fr 08:00-17:00", 1)
    assert network.warnings == ()


def test_tables_that_are_left_out(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Network()
    network = read(tmp_path, GOOD)
    assert (network.assignments, network.routes) == (None, None)
    assert (network.sites[0].timezone, network.sites[0].currency) == ("UTC", "EUR")


def test_assignment_is_valid_only_while_its_tariff_is(tmp_path: Path) -> None:
    tariff = 'currency = "EUR"\nstart_date_time = 2026-02-01T00:00:00Z\nend_date_time = 2026-03-01T00:00:00Z'
    assigned = '[[assignments]]\ntariff = "t"\nsite = "north"\nvalid_from = 2026-01-01T00:00:00Z\n'
    network = read(tmp_path, GOOD.replace('currency = "EUR"', tariff) + assigned)
    assert network.assignments is not None
    item = network.assignments[0].as_assignment(network.tariffs[0])
    assert (item.scope, item.target, item.tariff_id) == ("site", "north", "t")
    assert item.valid_from == datetime(2026, 2, 1, tzinfo=UTC)
    assert item.valid_to == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # (old text, new text), then what the message says: file and line, table and index, fault, mend
        (('"north"\nname', '"no rth"\nname'), ":1: sites[0] (no rth): id: 'no rth' is not an id. Use 1 to 64"),
        (('name = "North"', ""), ":1: sites[0] (north): name is missing. Add it."),
        (('name = "North"', 'nane = "North"'), ":1: sites[0] (north): unknown key nane. Did you mean name?"),
        (('name = "North"', 'name = "N"\nzzz = 1'), "unknown key zzz. Known are id, name, timezone"),
        (('name = "North"', "name = 5"), "sites[0] (north): name: input should be a valid string."),
        (
            ('name = "North"', 'name = "N"\ntimezone = "CET+1"'),
            "timezone: 'CET+1' is not an IANA time zone. Write",
        ),
        (
            ('name = "North"', 'name = "N"\ncurrency = "kr"'),
            "currency: 'kr' is not an ISO 4217 currency code. Write",
        ),
        (('name = "North"', 'name = "N"\nlatitude = 91.0'), "latitude: input should be less than or equal to 90."),
        (
            ('site = "north"', 'site = "south"'),
            ":5: stations[0] (S-1): site 'south' is not in this file. Add it, or",
        ),
        (('site = "north"', 'current = "ac"'), "stations[0] (S-1): current: input should be 'AC' or 'DC'."),
        (('site = "north"', "phases = 4"), "stations[0] (S-1): phases: input should be 1, 2 or 3."),
        (('site = "north"', 'max_power_w = "22 kW"'), "max_power_w: input should be a valid number."),
        (
            ("id = 1\n", "id = 0\n"),
            ":9: stations[0] (S-1) connectors[0]: id: input should be greater than or equal",
        ),
        (("id = 1\n", 'id = 1\ntype = "CCS"\n'), "connectors[0]: type: 'CCS' is not an OCPI ConnectorType. Write"),
        (
            ("id = 1\n", "id = 1\nmax_current = 3\n"),
            "connectors[0]: unknown key max_current. Did you mean max_current_a?",
        ),
        (("[[drivers]]", "[[stations.connectors]]\nid = 1\n[[drivers]]"), "connector 1 stands 2 times. Number"),
        (
            ("[[drivers]]", '[[stations.connectors]]\nid = 2\ncable = "C-1"\n[[drivers]]'),
            ":13: stations[0] (S-1) connectors[1]: cable 'C-1' is already at S-1/1. A cable",
        ),
        (
            ('id = "anna"', 'id = "anna"\nemail = "anna"'),
            "drivers[0] (anna): email: this is not an e-mail address. W",
        ),
        (
            ('driver = "anna"', 'driver = "bo"'),
            ":16: tokens[0]: driver 'bo' is not in this file. Add it, or name one",
        ),
        (
            ('driver = "anna"', 'kind = "key"'),
            "tokens[0]: kind: input should be 'rfid', 'app', 'plate', 'card' or",
        ),
        (('driver = "anna"', "expires_at = 2030-01-01T00:00:00"), "expires_at: input should have timezone info."),
        (("price = 1", "price = -1"), ":20: tariffs[0] (t): $.elements[0].price_components[0].price: -1 is not"),
        (
            ("price = 1", "price = 1, vats = 2"),
            "$.elements[0].price_components[0].vats: is not a known field. A Pri",
        ),
        (("[[sites]]", "[[sitez]]"), "unknown table sitez. Did you mean sites?"),
        (("[[sites]]", "[sites]"), "sites is not a list of tables. Write [[sites]] above each one."),
    ],
)
def test_faults_say_where_what_and_the_mend(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    assert change[0] in GOOD
    message = faults(tmp_path, GOOD.replace(*change, 1))
    assert expected in message
    assert "network.toml" in message
    assert "othing was imported" in message


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ('[[sites]]\nid = "north"\nname = "x"', "sites[1] (north): id 'north' stands already in sites[0]. Remove"),
        ('[[stations]]\nid = "S-1"', "stations[1] (S-1): id 'S-1' stands already in stations[0]"),
        ('[[tokens]]\nid_tag = "ab12"', "tokens[1]: id_tag 'ab12' stands already in tokens[0] as"),
        (GOOD[GOOD.index("[[tariffs]]") :], "tariffs[1] (t): id 't' stands already in tariffs[0]"),
        ('[[tariffs]]\nfile = "none.json"', "tariffs[1] (none.json): cannot read "),
        ('[[tariffs]]\nfile = "none.json"\nid = "x"', "file stands beside other keys"),
        (
            '[[assignments]]\ntariff = "u"',
            "(u): tariff 'u' is not in this file. Add it, or name one that this file has: t.",
        ),
        ('[[assignments]]\ntariff = "t"\nconnector = "S-1/2"', "connector 'S-1/2' is not in this file"),
        ('[[assignments]]\ntariff = "t"\nstation = "S-2"', "station 'S-2' is not in this file"),
        (
            '[[assignments]]\ntariff = "t"\nstation = "S-1"\nsite = "north"',
            "site and station are both given. Keep one",
        ),
        (
            '[[assignments]]\ntariff = "t"\nvalid_from = 2026-01-02T00:00:00Z\nvalid_to = 2026-01-02T00:00:00Z',
            "valid_to is not after valid_from. Give",
        ),
        ("[[routes]]\nurls = []", "routes[0]: nobody is told. Give urls, contact or rota."),
        ('[[routes]]\ncontact = "eva"', "routes[0]: contact 'eva' is not in this file. Add it"),
        ('[[routes]]\nrota = "field"', "routes[0]: rota 'field' is not in this file. Add it"),
        ('[[routes]]\nurls = "https://x"\nbackup = true', "backup is of a rota, and none is given. Add rota"),
        ('[[routes]]\nurls = "https://x"\nescalate_p1_after = "5m"', "escalate_p1_after stands without"),
        ('[[routes]]\nurls = "https://x"\nrepeat_every = "5s"', "repeat_every: input should be greater than"),
        (
            f"{EVA}[[rotas]]\nid = 'r'\ncontacts = 'bo'\nfirst = 2026-11-02",
            "contacts 'bo' is not in",
        ),
        (f"{EVA}[[rotas]]\nid = 'r'\ncontacts = 'eva'\nfirst = '2026-11-02'", "first: this is not a date. Write"),
        (f"{ROTA}hand_over = '8'", "hand_over: '8' is not a time of day. Write for example 08:00"),
        (
            f"{ROTA}[[rotas.stand_ins]]\ncontact = 'eva'\nfrom = 2026-12-24\nto = 2026-12-23",
            "eva stands in until before the beginning. Give the later time",
        ),
        (
            f"{ROTA}[[rotas.stand_ins]]\ncontact = 'bo'\nfrom = 2026-12-24\nto = 2026-12-24",
            "stand_ins[0]: contact 'bo' is not in this file",
        ),
        (
            ROTA + "[[rotas.stand_ins]]\ncontact = 'eva'\nfrom = 2026-12-24\nto = 2026-12-24\n" * 2,
            "eva and eva stand in at the same time. Let one begin",
        ),
        (
            f"{ROTA}[[rotas.stand_ins]]\ncontact = 'eva'\nfrom = 'soon'\nto = 2026-12-24",
            "stand_ins[0]: from: ",
        ),
        (
            '[[routes]]\nurls = "nosuch://x:secret@y"',
            "the URL (nosuch://...) cannot be used for notifications. Write",
        ),
        ('[[routes]]\nurls = "https://x"\nsite = ["north", "east"]', "routes[0]: site 'east' is not in this file"),
        (
            '[[routes]]\nurls = "https://x"\nseverity = "P9"',
            "severity.0: input should be 'P1', 'P2', 'P3' or 'P4'",
        ),
        (
            '[[routes]]\nurls = "https://x"\nhours = "8-17"',
            "hours: '8-17' are not hours. Write for example 08:00-17:00",
        ),
        (
            '[[routes]]\nurls = "https://x"\nescalate_after = "soon"',
            "escalate_after: 'soon' is not a duration. Write",
        ),
        (
            '[[routes]]\nurls = "https://x"\nescalate_after = 0',
            "escalate_after: input should be greater than or equal",
        ),
    ],
)
def test_faults_of_a_whole(tmp_path: Path, more: str, expected: str) -> None:
    message = faults(tmp_path, f"{GOOD}\n{more}\n")
    assert expected in message
    assert "secret" not in message


def test_all_faults_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        GOOD.replace('name = "North"', "")
        .replace('driver = "anna"', 'driver = "bo"')
        .replace("price = 1", "price = -1")
    )
    lines = faults(tmp_path, text).splitlines()
    assert lines[0].startswith("3 faults in ") and "nothing was imported" in lines[0]
    assert ["sites[0]" in lines[1], "tokens[0]" in lines[2], "tariffs[0]" in lines[3]] == [True] * 3


def test_many_faults_are_cut_short(tmp_path: Path) -> None:
    text = "".join(f'[[stations]]\nid = "S-{number}"\nsite = "none"\n' for number in range(80))
    lines = faults(tmp_path, text).splitlines()
    assert lines[0].startswith("80 faults") and lines[-1].strip() == "... and 30 more"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[[sites]\n", "is not TOML: "),
        (b"a = " + b"[" * 5000, "is nested too deep"),
        (b"\xff\xfe", "cannot read "),
        (None, "cannot read "),
    ],
)
def test_unreadable_file(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "network.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NetworkFileError, match=expected):
        read_network(path)


def test_tariff_from_a_file_beside(tmp_path: Path) -> None:
    tariff = {"id": "f", "currency": "EUR", "elements": [{"price_components": [{"type": "TIME", "price": 2.5}]}]}
    (tmp_path / "f.json").write_text(json.dumps(tariff))
    network = read(tmp_path, '[[tariffs]]\nfile = "f.json"\n[[assignments]]\ntariff = "f"\n')
    assert network.tariffs[0].ocpi == tariff
    (tmp_path / "f.json").write_text(json.dumps([tariff]))
    assert "$ is a list of 1, not an object" in faults(tmp_path, '[[tariffs]]\nfile = "f.json"\n')


def test_warnings(tmp_path: Path) -> None:
    text = GOOD.replace('site = "north"', 'site = "north"\npassword = "short"').replace(
        'name = "North"', 'name = "North"\ncurrency = "SEK"'
    )
    assigned = '[[assignments]]\ntariff = "t"\nstation = "S-1"\n[[assignments]]\ntariff = "t"\nplan = "gold"\n'
    assert read(tmp_path, text + assigned).warnings == (
        "station S-1: its password has fewer than 16 characters",
        "tariff t is in EUR, but S-1 is in SEK",
        "tariff t: no driver in this file has the plan 'gold'",
    )


_TOML = st.sampled_from(
    ["1", "-1", "true", '"x"', "[]", "{}", "2026-01-01", "nan", '["x", 1]', "{ id = 1 }", "1.5"]
)
_KEYS = [line.split(" = ", maxsplit=1)[0] for line in EXAMPLE.read_text("utf-8").splitlines() if " = " in line]
_TABLES = ["sites", "stations", "stations.connectors", "drivers", "tokens", "tariffs", "assignments", "routes"]
_TABLES += ["contacts", "rotas", "rotas.stand_ins"]
_ROWS = st.tuples(
    st.sampled_from(_TABLES),
    st.dictionaries(st.sampled_from([key for key in _KEYS if key.isidentifier()]), _TOML, max_size=5),
)


@given(st.lists(_ROWS, max_size=6))
def test_anything_is_a_network_or_an_error_with_places(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, dict[str, str]]]
) -> None:
    text = "".join(f"[[{table}]]\n" + "".join(f"{k} = {v}\n" for k, v in row.items()) for table, row in rows)
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"
    path.write_text(text, "utf-8")
    try:
        read_network(path)
    except NetworkFileError as error:
        assert "fuzz.toml" in str(error)
