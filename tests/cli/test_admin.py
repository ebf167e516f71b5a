"""Commands of administration, through the program's own door: import, user, token, price."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dashboard.passwords import verify_password
from dashboard.web.directory import token_hash
from laddvakt.cli.main import main
from laddvakt.settings import Settings
from laddvakt.stores.ports import AuditItem, Work
from laddvakt.stores.sql.engine import open_records

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


class Ran(NamedTuple):
    status: object
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("LADDVAKT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOGNAME", "operator")

    def _run(*args: str | Path, stdin: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return Ran(ended.value.code, out, err)

    return _run


@pytest.fixture
def look(tmp_path: Path) -> Callable[[Callable[[Work], Any]], Any]:
    def _look(question: Callable[[Work], Any]) -> Any:
        records = open_records(Settings(data_dir=tmp_path / "data"))
        records.migrate()
        try:
            with records.read() as work:
                return question(work)
        finally:
            records.close()

    return _look


def audited(work: Work) -> list[AuditItem]:
    return list(work.people.audit_page().items)


# --- import ---


def test_import_twice(run: Run, look: Any) -> None:
    first = run("import", EXAMPLES / "network.toml")
    assert first.status == 0
    assert ["stations", "2", "0", "0"] in [line.split() for line in first.out.splitlines()]
    second = run("import", EXAMPLES / "network.toml", "--json")
    assert second.status == 0
    assert json.loads(second.out)["tokens"] == {"added": 0, "changed": 0, "unchanged": 4}
    assert "Nothing changed." in run("import", EXAMPLES / "network.toml").out
    assert [(item.actor, item.action) for item in look(audited)] == [("cli:operator", "network.import")]


def test_import_check_changes_nothing(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    path.write_text('[[stations]]\nid = "S-1"\npassword = "short"\n')
    ran = run("import", "--check", path)
    assert (ran.status, "can be imported" in ran.out) == (0, True)
    assert "warning: station S-1: its password has fewer" in ran.err
    assert not (tmp_path / "data").exists()


def test_import_shows_warnings_and_still_imports(run: Run, tmp_path: Path, look: Any) -> None:
    path = tmp_path / "network.toml"
    path.write_text('[[stations]]\nid = "S-1"\npassword = "short"\n')
    ran = run("import", path)
    assert ran.status == 0 and "warning: station S-1" in ran.err
    assert look(lambda work: [station.station_id for station in work.stations.all()]) == ["S-1"]


def test_import_of_a_broken_file_leaves_nothing(run: Run, tmp_path: Path, look: Any) -> None:
    path = tmp_path / "network.toml"
    path.write_text('[[sites]]\nid = "a"\nname = "A"\n[[stations]]\nid = "S-1"\nsite = "b"\n')
    ran = run("import", path)
    assert (ran.status, ran.out) == (1, "")
    assert f"{path}:4: stations[0] (S-1): site 'b' is not in this file." in ran.err
    assert look(lambda work: work.stations.sites()) == []


# --- user ---


def test_user_add_from_stdin(run: Run, look: Any) -> None:
    ran = run("user", "add", "anna", "--role", "manager", "--password-stdin", stdin="correct horse\n")
    assert (ran.status, ran.out.strip()) == (0, "User anna (manager) can sign in.")
    user = look(lambda work: work.people.user("anna"))
    assert user.role == "manager" and verify_password(user.password_hash, "correct horse")
    (item,) = look(audited)
    assert (item.actor, item.action, item.object, item.detail) == (
        "cli:operator",
        "user.add",
        "anna",
        {"role": "manager"},
    )


def test_user_add_asks_twice(run: Run, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["correct horse", "another horse", "correct horse", "correct horse"])
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: next(answers))
    ran = run("user", "add", "bo", "--role", "viewer")
    assert ran.status == 0 and "do not match" in ran.err
    assert verify_password(look(lambda work: work.people.user("bo")).password_hash, "correct horse")


def test_user_that_exists_is_replaced_only_when_asked(run: Run, look: Any) -> None:
    def add(*more: str) -> Ran:
        return run("user", "add", "anna", "--role", "admin", "--password-stdin", *more, stdin="correct horse\n")

    assert add().status == 0
    again = add()
    assert again.status == 1 and again.err == (
        "laddvakt: user anna exists already. Use --replace for a new role and password.\n"
    )
    assert add("--replace").status == 0
    assert [item.action for item in look(audited)] == ["user.replace", "user.add"]


def test_driver_user_needs_a_driver(run: Run, look: Any) -> None:
    def add(*more: str) -> Ran:
        return run("user", "add", "anna", "--role", "driver", "--password-stdin", *more, stdin="correct horse\n")

    assert add().status == 2
    assert "driver anna is not in the records" in add("--driver", "anna").err
    assert run("import", EXAMPLES / "network.toml").status == 0
    assert add("--driver", "anna").status == 0
    assert look(lambda work: work.people.user("anna")).driver_id == "anna"


@pytest.mark.parametrize(
    ("args", "stdin", "expected"),
    [
        (["anna", "--role", "manager"], "short", "10 characters or more"),
        (["anna", "--role", "king"], "correct horse", "'king' is not one of"),
        (["anna"], "correct horse", "Missing option '--role'"),
        ([" anna", "--role", "manager"], "correct horse", "without spaces around"),
        (["anna", "--role", "manager", "--driver", "x"], "correct horse", "--driver goes with --role driver"),
    ],
)
def test_user_add_wrong_usage(run: Run, look: Any, args: list[str], stdin: str, expected: str) -> None:
    ran = run("user", "add", "--password-stdin", *args, stdin=stdin)
    assert ran.status == 2 and expected in ran.err
    assert look(lambda work: work.people.users()) == []


# --- token ---


def test_token_is_printed_once_and_kept_as_a_hash(run: Run, look: Any) -> None:
    ran = run("token", "add", "grafana", "--role", "viewer", "--json")
    made = json.loads(ran.out)
    assert (ran.status, made["name"], made["role"]) == (0, "grafana", "viewer")
    kept = look(lambda work: work.people.api_token(token_hash(made["token"])))
    assert (kept.name, kept.role) == ("grafana", "viewer")
    assert made["token"] not in repr(look(audited))


def test_new_token_of_a_name_revokes_the_former(run: Run, look: Any) -> None:
    first, second = (run("token", "add", "grafana", "--role", "viewer") for _ in range(2))
    assert "cannot be shown again" in second.err
    assert look(lambda work: work.people.api_token(token_hash(first.out.strip()))) is None
    assert look(lambda work: work.people.api_token(token_hash(second.out.strip()))) is not None


def test_token_wrong_usage(run: Run) -> None:
    assert run("token", "add", "x", "--role", "driver").status == 2
    assert run("token", "add", " ", "--role", "viewer").status == 2
    assert run("token", "add", "x", "--role", "driver", "--driver", "nobody").status == 1
    assert run("import", EXAMPLES / "network.toml").status == 0
    assert run("token", "add", "x", "--role", "driver", "--driver", "anna").status == 0


# --- price ---

CDR = {
    "start_date_time": "2026-11-21T10:00:00Z",
    "end_date_time": "2026-11-21T10:40:00Z",
    "currency": "SEK",
    "charging_periods": [
        {
            "start_date_time": "2026-11-21T10:00:00Z",
            "dimensions": [{"type": "ENERGY", "volume": 20.5}, {"type": "TIME", "volume": 0.6667}],
        }
    ],
}


def test_price_prints_totals(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cdr.json").write_text(json.dumps(CDR))
    ran = run("price", "--tariff", EXAMPLES / "tariff-dc.json", "--cdr", tmp_path / "cdr.json")
    assert ran.status == 0
    totals = json.loads(ran.out)
    assert totals["total_energy_cost"] == {"excl_vat": 98.24, "incl_vat": 122.80}
    assert totals["total_time_cost"] == {"excl_vat": 16.00, "incl_vat": 20.00}
    assert totals["total_cost"] == {"excl_vat": 114.24, "incl_vat": 142.80}
    assert (totals["total_energy"], totals["total_time"]) == (20.5, 0.6667)
    assert '"excl_vat": 98.24' in ran.out


def test_price_names_the_file_that_is_wrong(run: Run, tmp_path: Path) -> None:
    tariff = EXAMPLES / "tariff-dc.json"
    (tmp_path / "cdr.json").write_text(json.dumps({**CDR, "currency": "EUR"}))
    ran = run("price", "--tariff", tariff, "--cdr", tmp_path / "cdr.json")
    assert ran.status == 1 and ran.err.startswith(f"laddvakt: {tmp_path / 'cdr.json'}: $.currency: is not SEK")
    (tmp_path / "cdr.json").write_text("{")
    assert "cannot read" in run("price", "--tariff", tariff, "--cdr", tmp_path / "cdr.json").err
    assert "cannot read" in run("price", "--tariff", tmp_path / "none.json", "--cdr", tmp_path / "cdr.json").err
    assert run("price", "--tariff", tariff).status == 2
