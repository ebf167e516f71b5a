"""Settings from file and environment, and the errors that name what to mend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from laddvakt.domain.errors import SettingsError
from laddvakt.settings import Settings, load_settings, secret, split_address


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "laddvakt.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_without_file_and_environment(tmp_path: Path) -> None:
    settings = load_settings(environ={}, data_dir=tmp_path)
    assert settings.ocpp.listen == "127.0.0.1:9000"
    assert settings.records_url == f"sqlite:///{tmp_path / 'records.sqlite'}"


def test_the_file_in_the_data_directory_is_read(tmp_path: Path) -> None:
    _file(tmp_path, 'currency = "SEK"\n[web]\nlisten = "127.0.0.1:1"\n')
    settings = load_settings(environ={}, data_dir=tmp_path)
    assert (settings.currency, settings.web.listen) == ("SEK", "127.0.0.1:1")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = _file(tmp_path, '[web]\nlisten = "127.0.0.1:1"\nsecret = "file"\n')
    settings = load_settings(config, environ={"LADDVAKT_WEB__LISTEN": "127.0.0.1:2", "PATH": "/bin"})
    assert (settings.web.listen, settings.web.secret) == ("127.0.0.1:2", "file")


def test_numbers_in_the_environment_are_text() -> None:
    settings = load_settings(
        environ={"LADDVAKT_OCPP__SECURITY_PROFILE": "1", "LADDVAKT_DETECTOR__FOREST": "false"}
    )
    assert (settings.ocpp.security_profile, settings.detector.forest) == (1, False)


def test_listeners_for_stations_from_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "laddvakt.toml"
    file.write_text('[ocpp]\n[[ocpp.listeners]]\nlisten = "127.0.0.1:9443"\nsecurity_profile = 2\n')
    more = '[{"listen": "127.0.0.1:9444", "security_profile": 3}]'
    read = load_settings(file, environ={}).ocpp
    assert [(door.listen, door.security_profile) for door in read.doors] == [
        ("127.0.0.1:9000", 0),
        ("127.0.0.1:9443", 2),
    ]
    environ = {"LADDVAKT_OCPP__LISTENERS": more, "LADDVAKT_OCPP__TRUSTED_PROXIES": "10.0.0.0/8"}
    given = load_settings(file, environ=environ).ocpp
    assert [door.security_profile for door in given.doors] == [0, 3]
    assert given.trusted_proxies == ("10.0.0.0/8",)


@pytest.mark.parametrize("proxies", ['["10.0.0.1/8"]', "proxy.example.org"])
def test_proxies_are_addresses_or_networks(proxies: str) -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        load_settings(environ={"LADDVAKT_OCPP__TRUSTED_PROXIES": proxies})


def test_tables_in_the_environment_are_json() -> None:
    settings = load_settings(environ={"LADDVAKT_DETECTOR__RULES": '{"offline": {"after_s": 60}}'})
    assert settings.detector.rules == {"offline": {"after_s": 60.0}}


def test_a_secret_may_look_like_the_start_of_a_table() -> None:
    assert load_settings(environ={"LADDVAKT_WEB__SECRET": "[{x"}).web.secret == "[{x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[web]\nlissten = "x"\n', "unknown setting web.lissten"),
        ("[ocpp]\nheartbeat_interval_s = 1\n", "setting ocpp.heartbeat_interval_s"),
        ('timezone = "Mars/Olympus"\n', "Europe/Stockholm"),
        ("[web\n", "cannot read"),
        ('currency = "kr"\n', "setting currency"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(tmp_path: Path, text: str, expected: str) -> None:
    config = _file(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ={})
    assert expected in str(caught.value)
    assert str(config) in str(caught.value)


def test_a_missing_file_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(tmp_path / "none.toml", environ={})


def test_variables_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(SettingsError, match="contradicts"):
        load_settings(environ={"LADDVAKT_WEB": "x", "LADDVAKT_WEB__LISTEN": "127.0.0.1:1"})


def test_a_secret_is_made_once_even_when_many_ask_at_the_same_time(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: secret(settings, "privacy", ""), range(64)))
    assert len(found) == 1
    assert len(found.pop()) > 30
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["privacy"]
    assert (tmp_path / "secrets" / "privacy").stat().st_mode & 0o077 == 0


def test_a_given_secret_is_used_and_not_written(tmp_path: Path) -> None:
    assert secret(Settings(data_dir=tmp_path), "web", "given") == "given"
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("text", ["9000", "host:", "host:70000", "host:x", ":9000"])
def test_addresses_are_host_and_port(text: str) -> None:
    with pytest.raises(SettingsError, match="is not host:port"):
        split_address(text)


def test_an_ipv6_address_loses_its_brackets() -> None:
    assert split_address("[::1]:9000") == ("::1", 9000)


@pytest.mark.parametrize(
    ("text", "files"), [("a.toml", ("a.toml",)), ('["a.toml", "b.toml"]', ("a.toml", "b.toml")), ("", ())]
)
def test_mapping_files_are_one_or_a_list(text: str, files: tuple[str, ...]) -> None:
    settings = load_settings(environ={"LADDVAKT_MQTT__MAPPINGS": text})
    assert settings.mqtt.mappings == tuple(Path(name) for name in files)
