"""The documentation is held against the code: nothing undocumented, no dead link, no file named that is gone."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from collector.mqtt import mapping_model
from collector.mqtt.mapping_file import load_mappings, ready_names
from collector.ocpp.actions import ACTIONS
from dashboard.auth import Role
from detector.rules import RULES
from laddvakt.cli.main import COMMANDS
from laddvakt.domain.facts import QuarantineReason
from laddvakt.network import model, read_network
from scripts import generate_docs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PATH = re.compile(
    r"`((?:laddvakt|collector|detector|dashboard|simulator|tests|docs|deploy|grafana|scripts|requirements)/[\w./-]*)`"
)
NETWORK_TABLES = {
    "sites": model.NetworkSite,
    "stations": model.NetworkStation,
    "stations.connectors": model.NetworkConnector,
    "drivers": model.NetworkDriver,
    "tokens": model.NetworkToken,
    "assignments": model.NetworkAssignment,
    "contacts": model.NetworkContact,
    "rotas": model.NetworkRota,
    "rotas.stand_ins": model.NetworkStandIn,
    "routes": model.NetworkRoute,
}


def _text(path: str) -> str:
    return (DOCS / path).read_text("utf-8")


def _section(text: str, heading: str) -> str:
    """What stands under `## heading`."""
    _, _, after = text.partition(f"## {heading}\n")
    assert after, f"no section {heading}"
    return re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0]


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _names(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted((DOCS / "reference").glob("*.md")), ids=_names)
def test_parts_from_the_code_are_up_to_date(path: Path) -> None:
    text = path.read_text("utf-8")
    assert generate_docs.renewed(text) == text, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_links_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(FENCED.sub("", page.read_text("utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if re.match("https?:", target):
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), match[0]
        assert not anchor or anchor in _anchors(path), match[0]


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_files_named_in_the_text_exist(page: Path) -> None:
    named = {name for name in PATH.findall(page.read_text("utf-8")) if "<" not in name}
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_page_is_in_the_index() -> None:
    linked = {(DOCS / m["target"].partition("#")[0]).resolve() for m in LINK.finditer(_text("index.md"))}
    assert {path for path in DOCS.rglob("*.md") if path.name != "index.md"} <= linked


def test_every_setting_is_documented_with_a_meaning() -> None:
    text = _text("reference/settings.md")
    for key, field in generate_docs.setting_keys():
        assert field.description, key
        assert f"`LADDVAKT_{key.replace('.', '__').upper()}`" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert f"## `laddvakt {name}`\n" in _text("reference/cli.md")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_is_documented_with_its_thresholds(rule: generate_docs.Rule) -> None:
    text = _section(_text("reference/faults.md"), f"`{rule.code}`: {rule.title}")
    for threshold in rule.thresholds:
        assert f"`detector.rules.{rule.code}.{threshold.name}`" in text


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_documented(action: str) -> None:
    table, _, _ = _text("reference/ocpp.md").partition("Everything else gets")
    assert re.search(rf"^\|[^|]*\b{action}\b[^|]*\|", table, re.MULTILINE)


@pytest.mark.parametrize("table", NETWORK_TABLES)
def test_every_key_of_the_network_file_is_documented(table: str) -> None:
    text = _section(_text("reference/network-file.md"), f"`[[{table}]]`")
    for name, field in NETWORK_TABLES[table].model_fields.items():
        assert f"`{field.alias or name}`" in text, name


def test_the_example_network_can_be_imported() -> None:
    network = read_network(DOCS / "examples" / "network.toml")
    assert network.stations
    assert network.routes


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("`[[mappings]]`", mapping_model.MappingTable),
        ("`[[mappings.fields]]`", mapping_model.FieldTable),
        ("`time`", mapping_model.TimeTable),
    ],
)
def test_every_key_of_a_mapping_file_is_documented(heading: str, table: type[mapping_model.Table]) -> None:
    _, _, text = _section(_text("reference/mqtt.md"), "Mapping files").partition(f"### {heading}\n")
    text = text.partition("\n### ")[0]
    assert {key for key in table.model_fields if f"`{key}`" not in text} == set()


def test_every_ready_mapping_is_documented() -> None:
    text = _section(_text("reference/mqtt.md"), "Ready mappings")
    assert {name for name in ready_names() if f"| `{name}` |" not in text} == set()


def test_the_example_of_a_mapping_file_can_be_used() -> None:
    assert len(load_mappings([DOCS / "examples" / "mappings.toml"])) > len(ready_names())


def test_every_role_is_documented() -> None:
    text = _text("how-to/add-users.md")
    assert {role.value for role in Role if f"| `{role}` |" not in text} == set()


def test_every_reason_of_the_quarantine_is_documented() -> None:
    text = _text("reference/rest.md")
    assert {reason.value for reason in QuarantineReason if f"`{reason}`" not in text} == set()


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        text = page.read_text("utf-8")
        named = set(re.findall(r"(?:`|^ +)make ([a-z-]+)", text, re.MULTILINE))
        assert named <= targets, page


def test_settings_shown_in_the_pages_are_real() -> None:
    """Blocks of TOML with a known section are read as settings; unknown keys would be errors."""
    known = {key for key, _ in generate_docs.setting_keys()}
    for page in PAGES:
        for block in re.findall(r"(?:^ {4,}.*\n|^\n(?= {4}))+", page.read_text("utf-8"), re.MULTILINE):
            if re.search(r"^ +\[(?!\[)\w+\]$", block, re.MULTILINE):
                data = tomllib.loads(block)
                keys = {
                    f"{section}.{key}" if isinstance(value, dict) else section
                    for section, value in data.items()
                    for key in (value if isinstance(value, dict) else [""])
                }
                assert keys <= known, page


def test_every_line_of_the_quirks_has_a_test_and_every_test_its_line() -> None:
    lines = {int(number) for number in re.findall(r"^\| (\d+) \|", _text("reference/quirks.md"), re.MULTILINE)}
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests/collector/quirks").glob("test_*.py"))
    assert lines == {int(number) for number in re.findall(r"def test_q(\d\d)_", tests)} == set(range(1, 30))
