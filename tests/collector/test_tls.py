"""Stations over TLS, with passwords or certificates (security profiles 2 and 3)."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from collector.tls import ServerTls, is_named
from laddvakt.clock import utc_now
from laddvakt.domain.errors import SettingsError
from laddvakt.settings import OcppSettings
from laddvakt.stores.ports import Credentials
from tests.support.authority import Authority, Pair
from tests.support.collecting import OCPP16, Door, ask, basic, register, served
from tests.support.waiting import eventually

_REFUSED = (ssl.SSLError, ConnectionError, InvalidMessage)  # TLS 1.3 clients learn it after the handshake


class Site:
    """Certificates of a central system and of stations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.ours = self.authority.issue("central")

    def settings(self, **more: Any) -> dict[str, Any]:
        files = {"tls_cert_file": self.ours.cert, "tls_key_file": self.ours.key}
        return {key: str(value) for key, value in files.items()} | more

    def trusting(self, **more: Any) -> dict[str, Any]:
        return self.settings(security_profile=3, tls_client_ca_file=str(self.authority.ca_file), **more)

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.ca_file)
        if pair is not None:
            context.load_cert_chain(pair.cert, pair.key)
        return context


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (folder := tmp_path / "tls").mkdir()
    yield Site(folder)


def secure(door: Door, tls: ssl.SSLContext, station_id: str = "SE-1", **options: Any) -> connect:
    url = f"wss://localhost:{door.server.port}/{station_id}"
    return connect(url, ssl=tls, subprotocols=OCPP16, compression=None, **options)


# Profile 2


async def test_station_comes_in_over_tls_with_its_password(tmp_path: Path, site: Site) -> None:
    async with (
        served(tmp_path, **site.settings(security_profile=2)) as door,
        secure(door, site.client(), additional_headers=basic("SE-1", "pass-1")) as link,
    ):
        assert (await ask(link, "Heartbeat", {}))[0] == 3


async def test_tls_alone_is_not_enough(tmp_path: Path, site: Site) -> None:
    async with served(tmp_path, **site.settings(security_profile=2)) as door:
        with pytest.raises(InvalidStatus) as refused:
            await secure(door, site.client())
        assert refused.value.response.status_code == 401


async def test_plain_connection_to_a_tls_address_is_closed(tmp_path: Path, site: Site) -> None:
    async with served(tmp_path, **site.settings(security_profile=2)) as door:
        with pytest.raises(_REFUSED):
            await door.station(additional_headers=basic("SE-1", "pass-1"))
        assert door.server.connected == frozenset()


async def test_connection_that_fails_at_tls_leaves_no_timer_behind(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.connection.REQUEST_WITHIN_S", 0.05)
    loop, failures = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    async with served(tmp_path, **site.settings(security_profile=2)) as door:
        with pytest.raises(_REFUSED):
            await door.station(additional_headers=basic("SE-1", "pass-1"))
        later = loop.time() + 0.2
        await eventually(lambda: loop.time() > later)
    assert failures == []


@pytest.mark.parametrize(
    ("suites", "rsa_key_exchange", "works"),
    [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", False, True),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", False, True),
        ("ECDHE-ECDSA-AES128-SHA256", True, False),  # CBC
        ("AES128-GCM-SHA256", False, False),  # no forward secrecy; an RSA certificate would be needed, too
    ],
)
async def test_cipher_suites_are_those_of_the_specification_with_forward_secrecy(
    tmp_path: Path, site: Site, suites: str, rsa_key_exchange: bool, works: bool
) -> None:
    client = site.client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(suites)
    settings = site.settings(security_profile=2, tls_rsa_key_exchange=rsa_key_exchange)
    async with served(tmp_path, **settings) as door:
        station = secure(door, client, additional_headers=basic("SE-1", "pass-1"))
        if not works:
            with pytest.raises(_REFUSED):
                await station
            return
        async with station as link:
            assert link.transport.get_extra_info("cipher")[0] == suites


def test_suites_without_forward_secrecy_are_offered_when_asked_for(site: Site) -> None:
    def names(**more: Any) -> set[str]:
        tls = ServerTls(OcppSettings(**site.settings(**more)), 2, utc_now)
        return {suite["name"] for suite in tls.context.get_ciphers()}

    assert {"AES128-GCM-SHA256", "AES256-GCM-SHA384"} & names() == set()
    assert {"AES128-GCM-SHA256", "AES256-GCM-SHA384"} <= names(tls_rsa_key_exchange=True)


async def test_older_tls_is_refused(tmp_path: Path, site: Site) -> None:
    client = site.client()
    client.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    async with served(tmp_path, **site.settings(security_profile=2)) as door:
        with pytest.raises(_REFUSED):
            await secure(door, client)


# Files


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "security profile 2 needs ocpp.tls_cert_file"),
        ({"tls_cert_file": "missing.pem"}, "cannot read .*missing.pem: No such file"),
        ({"tls_cert_file": "text.pem"}, "text.pem is not a PEM file"),
        ({"tls_cert_file": "central.pem"}, "do not make a server certificate"),
        ({"tls_cert_file": "central.pem", "tls_key_file": "other.key"}, "do not make a server certificate"),
        ({"tls_cert_file": "old.pem", "tls_key_file": "old.key"}, "expired on"),
    ],
    ids=["none", "missing", "text", "no-key", "other-key", "expired"],
)
def test_files_that_cannot_be_used_are_named(site: Site, files: dict[str, str], complaint: str) -> None:
    (site.folder / "text.pem").write_text("hello")
    site.authority.issue("other")
    site.authority.issue("old", lives=timedelta(seconds=-1))
    settings = OcppSettings(**{key: str(site.folder / name) for key, name in files.items()})
    with pytest.raises(SettingsError, match=complaint) as error:
        ServerTls(settings, 2, utc_now)
    assert error.value.mend


def test_profile_3_needs_an_authority(site: Site) -> None:
    with pytest.raises(SettingsError, match=r"security profile 3 needs ocpp\.tls_client_ca_file"):
        ServerTls(OcppSettings(**site.settings()), 3, utc_now)


def _renew(site: Site, files: Pair) -> None:
    """As ACME clients do: another file is put in the place of the former."""
    for new, old in zip(files, site.ours, strict=True):
        shutil.copy(new, old.with_suffix(".new"))
        old.with_suffix(".new").replace(old)


async def test_renewed_certificate_is_used_without_a_restart(tmp_path: Path, site: Site) -> None:
    async with served(tmp_path, **site.settings(security_profile=2)) as door:
        headers = basic("SE-1", "pass-1")
        async with secure(door, site.client(), additional_headers=headers) as before:
            _renew(site, site.authority.issue("renewed"))
            door.server.renew_certificates()
            async with secure(door, site.client(), additional_headers=headers) as after:
                assert [_shown(link)["subject"] for link in (before, after)] == [
                    ((("commonName", "central"),),),
                    ((("commonName", "renewed"),),),
                ]


async def test_renewed_certificate_is_used_for_stations_that_name_no_host(tmp_path: Path, site: Site) -> None:
    """Without SNI, as with an IP address in the station's configuration."""
    async with served(tmp_path, **site.settings(security_profile=2)) as door:
        _renew(site, site.authority.issue("renewed"))
        door.server.renew_certificates()
        url = f"wss://127.0.0.1:{door.server.port}/SE-1"
        async with connect(
            url, ssl=site.client(), subprotocols=OCPP16, additional_headers=basic("SE-1", "pass-1")
        ) as link:
            assert _shown(link)["subject"] == ((("commonName", "renewed"),),)


def _shown(link: Any) -> dict[str, Any]:
    shown: dict[str, Any] = link.transport.get_extra_info("peercert")
    return shown


def test_half_renewed_certificate_is_not_used_until_it_is_whole(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    tls = ServerTls(OcppSettings(**site.settings()), 2, utc_now)
    renewed = site.authority.issue("renewed")
    shutil.copy(renewed.cert, site.ours.cert)
    assert not tls.look()
    assert "the former ones stay" in caplog.text
    shutil.copy(renewed.key, site.ours.key)
    assert tls.look()
    assert not tls.look()


# Profile 3


@pytest.mark.parametrize(
    ("name", "dns"),
    [("SE-1", ()), ("serial 0815", ("SE-1",)), ("serial 0815", ("charger.example.org", "se-1"))],
    ids=["common-name", "dns-name", "dns-name-of-another-case"],
)
async def test_station_comes_in_with_its_certificate(
    tmp_path: Path, site: Site, name: str, dns: tuple[str, ...]
) -> None:
    own = site.authority.issue(name, dns=dns)
    async with served(tmp_path, **site.trusting()) as door, secure(door, site.client(own)) as link:
        assert (await ask(link, "Heartbeat", {}))[0] == 3


async def test_station_comes_in_by_the_name_that_the_network_file_gives_its_certificate(
    tmp_path: Path, site: Site
) -> None:
    async with served(tmp_path, **site.trusting()) as door:
        with door.records.begin() as work:
            work.stations.set_credentials("SE-1", Credentials(certificate="serial 0815"))
        door.registry.load()
        async with secure(door, site.client(site.authority.issue("serial 0815"))) as link:
            assert (await ask(link, "Heartbeat", {}))[0] == 3
        with pytest.raises(InvalidStatus) as refused:
            await secure(door, site.client(site.authority.issue("SE-1")))
        assert refused.value.response.status_code == 403


async def test_certificate_of_another_station_is_refused(tmp_path: Path, site: Site) -> None:
    async with served(tmp_path, **site.trusting()) as door:
        with pytest.raises(InvalidStatus) as refused:
            await secure(door, site.client(site.authority.issue("SE-2")))
        assert refused.value.response.status_code == 403
        assert door.server.refused == {"certificate": 1}


async def test_password_does_not_take_the_place_of_a_certificate(tmp_path: Path, site: Site) -> None:
    async with served(tmp_path, **site.trusting()) as door:
        with pytest.raises(_REFUSED):
            await secure(door, site.client(), additional_headers=basic("SE-1", "pass-1"))


async def test_certificate_of_another_authority_is_refused(tmp_path: Path, site: Site) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    async with served(tmp_path, **site.trusting()) as door:
        with pytest.raises(_REFUSED):
            await secure(door, site.client(Authority(elsewhere, "Another CA").issue("SE-1")))


async def test_expired_certificate_is_refused(tmp_path: Path, site: Site) -> None:
    old = site.authority.issue("SE-1", lives=timedelta(seconds=-1))
    async with served(tmp_path, **site.trusting()) as door:
        with pytest.raises(_REFUSED):
            await secure(door, site.client(old))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_certificate_that_is_revoked_while_we_run_is_refused(
    tmp_path: Path, site: Site, version: ssl.TLSVersion
) -> None:
    own, other = site.authority.issue("SE-1"), site.authority.issue("SE-2", file="other")
    client = site.client(own)
    client.maximum_version = version
    async with served(tmp_path, **site.trusting(tls_crl_file=str(site.authority.revoke(other)))) as door:
        async with secure(door, client) as link:
            assert (await ask(link, "Heartbeat", {}))[0] == 3
        site.authority.revoke(other, own)
        door.server.renew_certificates()
        with pytest.raises(_REFUSED):
            await secure(door, client)


async def test_resumed_session_does_not_outlive_the_certificate(tmp_path: Path, site: Site) -> None:
    """A handshake of TLS 1.2 that resumes a session does not look at the certificate again. With 1.3 none is."""
    own = site.authority.issue("SE-1")
    client = site.client(own)
    client.maximum_version = ssl.TLSVersion.TLSv1_2

    def answer(port: int, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        request = (
            "GET /SE-1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as bare,
            client.wrap_socket(bare, server_hostname="localhost", session=session) as link,
        ):
            link.sendall(request.encode())
            return link.recv(12), link.session

    async with served(tmp_path, **site.trusting(tls_crl_file=str(site.authority.revoke()))) as door:
        first, session = await asyncio.to_thread(answer, door.server.port, None)
        assert first == b"HTTP/1.1 101"
        assert (await asyncio.to_thread(answer, door.server.port, session))[0] == b"HTTP/1.1 101"
        site.authority.revoke(own)
        door.server.renew_certificates()
        with suppress(ssl.SSLError):  # it may have been forgotten, and the handshake is a whole one
            assert (await asyncio.to_thread(answer, door.server.port, session))[0] == b"HTTP/1.1 403"


async def test_unknown_station_with_a_certificate_of_its_own_may_be_accepted(tmp_path: Path, site: Site) -> None:
    boot = {"chargePointVendor": "Acme", "chargePointModel": "One"}
    own = site.authority.issue("SE-9")
    async with (
        served(tmp_path, **site.trusting(unknown_stations="accept")) as door,
        secure(door, site.client(own), "SE-9") as link,
    ):
        assert (await ask(link, "BootNotification", boot))[2]["status"] == "Accepted"


# Several profiles at once


async def test_each_listener_has_a_profile_of_its_own(tmp_path: Path, site: Site) -> None:
    more = [{"listen": "127.0.0.1:0", "security_profile": profile} for profile in (2, 3)]
    settings = site.trusting(listeners=more) | {"security_profile": 1}
    async with served(tmp_path, **settings) as door:
        plain, with_password, with_certificate = door.server.ports
        headers = basic("SE-1", "pass-1")
        async with connect(f"ws://localhost:{plain}/SE-1", subprotocols=OCPP16, additional_headers=headers):
            assert door.server.connected == {"SE-1"}
        async with connect(
            f"wss://localhost:{with_password}/SE-1",
            ssl=site.client(),
            subprotocols=OCPP16,
            additional_headers=headers,
        ):
            assert door.server.connected == {"SE-1"}
        own = site.client(site.authority.issue("SE-1"))
        async with connect(f"wss://localhost:{with_certificate}/SE-1", ssl=own, subprotocols=OCPP16):
            assert door.server.connected == {"SE-1"}


async def test_station_that_has_moved_on_is_not_let_in_by_a_lower_profile(tmp_path: Path, site: Site) -> None:
    """Or a stolen password would do (OCPP 2.0.1 part 2 A05)."""
    more = [{"listen": "127.0.0.1:0", "security_profile": 2}]
    async with served(tmp_path, **site.settings(security_profile=1, listeners=more)) as door:
        register(door.records, "SE-3", "pass-3", security_profile=2)
        door.registry.load()
        headers = basic("SE-3", "pass-3")
        with pytest.raises(InvalidStatus) as refused:
            await door.station("SE-3", additional_headers=headers)
        assert refused.value.response.status_code == 401
        url = f"wss://localhost:{door.server.ports[1]}/SE-3"
        async with connect(url, ssl=site.client(), subprotocols=OCPP16, additional_headers=headers) as link:
            assert (await ask(link, "Heartbeat", {}))[0] == 3


def test_certificate_without_names_stands_for_nobody() -> None:
    assert not is_named({}, "SE-1")
    assert not is_named({"subject": ((("organizationName", "SE-1"),),)}, "SE-1")
    assert not is_named({"subject": ((("commonName", "se-1"),),)}, "SE-1")
    assert not is_named({"subjectAltName": (("IP Address", "SE-1"),)}, "SE-1")
