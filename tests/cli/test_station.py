"""`laddvakt station rotate-password`: from the program to a station, which comes back with its new password."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from laddvakt.cli.main import cli
from tests.support.collecting import OCPP16, basic
from tests.support.installation import Installation, installation
from tests.support.waiting import until

NETWORK = '[[stations]]\nid = "SE-1"\npassword = "k9ZgP2vWq7Xs4LtB"\n'
FIRST = "k9ZgP2vWq7Xs4LtB"


def station(running: Installation, password: str | bytes) -> ClientConnection:
    headers = basic("SE-1", password)
    return connect(f"{running.stations_url}/SE-1", subprotocols=OCPP16, additional_headers=headers)


def refused(running: Installation, password: str) -> bool:
    try:
        with station(running, password):
            return False
    except InvalidStatus as error:
        return error.response.status_code == 401


def test_station_gets_a_new_password_and_the_old_one_ends_when_it_is_shown(tmp_path: Path) -> None:
    with installation(tmp_path, LADDVAKT_OCPP__SECURITY_PROFILE="1") as running, ExitStack() as stack:
        network = tmp_path / "network.toml"
        network.write_text(NETWORK)
        running.cli("import", str(network))
        link = stack.enter_context(station(running, FIRST))
        link.send(json.dumps([2, "1", "Heartbeat", {}]))
        link.recv(timeout=20)
        data = str(tmp_path / "data")
        told: list[str] = []

        def answer() -> None:
            _, unique_id, action, payload = json.loads(link.recv(timeout=30))
            assert (action, payload["key"]) == ("ChangeConfiguration", "AuthorizationKey")
            told.append(payload["value"])
            link.send(json.dumps([3, unique_id, {"status": "Accepted"}]))

        thread = threading.Thread(target=answer)
        thread.start()
        done = CliRunner().invoke(cli, ["--data", data, "station", "rotate-password", "SE-1"])
        assert done.exit_code == 0, done.output
        thread.join()
        (password,) = told
        with station(running, FIRST):
            pass  # it has not shown the new one yet
        again = CliRunner().invoke(cli, ["--data", data, "station", "rotate-password", "SE-1", "SE-9"])
        assert again.exit_code == 1
        assert "has not shown it yet" in again.stderr
        assert "SE-9 is not registered" in again.stderr
        with station(running, bytes.fromhex(password)):
            until(lambda: refused(running, FIRST), what="the end of the old password")
        assert "unchanged" in running.cli("import", str(network))  # the file's password does not come back
        assert refused(running, FIRST)
        kept = running.cli("log", "export") + "".join(
            path.read_text(errors="replace") for path in (tmp_path / "data" / "logs").glob("*")
        )
        assert "ChangeConfiguration" in kept
        assert not any(text in kept + done.output for text in (password, password.upper(), FIRST))


@pytest.mark.parametrize("words", [["rotate-password"], ["rotate-password", "--bad", "SE-1"]])
def test_wrong_usage(tmp_path: Path, words: list[str]) -> None:
    assert CliRunner().invoke(cli, ["--data", str(tmp_path), "station", *words]).exit_code == 2
