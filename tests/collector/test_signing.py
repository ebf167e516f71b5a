"""Certificates for stations: from the request to the command that brings them."""

from __future__ import annotations

import json
import shlex
import ssl
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from collector import doors
from collector.ocpp.action import Policy, SigningRequest
from collector.ocpp.csr import refusal
from collector.signing import Signing, SigningError, read_chain, signer_of
from laddvakt.clock import utc_now
from laddvakt.domain.errors import SettingsError
from laddvakt.settings import OcppSettings
from tests.support.authority import Authority
from tests.support.collecting import ask, basic, served
from tests.support.stations import Speaker
from tests.support.waiting import eventually

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def csr(name: str = "SE-1", key: Any = KEY) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, digest)
    return request.public_bytes(serialization.Encoding.PEM).decode()


def forged() -> str:
    """Somebody else's name in a request that is signed already."""
    der = x509.load_pem_x509_csr(csr("SE-2").encode()).public_bytes(serialization.Encoding.DER)
    return x509.load_der_x509_csr(der.replace(b"SE-2", b"SE-1")).public_bytes(serialization.Encoding.PEM).decode()


def request(name: str = "SE-1", **repeated: Any) -> SigningRequest:
    return SigningRequest("SE-1", name, csr(name), repeated)


# What is asked for


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (csr(), None),
        (csr().replace("-----BEGIN CERTIFICATE REQUEST-----\n", "").partition("-----END")[0], None),
        (csr(key=rsa.generate_private_key(65537, 2048)), None),
        (csr(key=rsa.generate_private_key(65537, 1024)), "an RSA key needs 2048 bits"),  # noqa: S505  # too weak
        (csr(key=ec.generate_private_key(ec.SECP192R1())), "an elliptic-curve key needs 256 bits"),
        (csr(key=ed25519.Ed25519PrivateKey.generate()), "its key is neither RSA nor of an elliptic curve"),
        (csr("SE-2"), "its common name is not SE-1"),
        (csr("se-1"), "its common name is not SE-1"),
        (forged(), "its signature is not that of its key"),
        ("", "the request cannot be read"),
        ("å", "the request cannot be read"),
    ],
    ids=["ec", "bare", "rsa", "rsa-1024", "ec-192", "ed25519", "name", "case", "forged", "empty", "no-ascii"],
)
def test_request_is_looked_at(text: str, why: str | None) -> None:
    assert refusal(text, "SE-1") == why


@given(st.text(max_size=300))
def test_no_text_breaks_the_looking(text: str) -> None:
    assert refusal(text, "SE-1") is not None


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_good_request_is_accepted_and_a_bad_one_is_not(protocol: str) -> None:
    station = Speaker(protocol=protocol, policy=Policy(certificate_name="SE-1"))
    assert station.call("SignCertificate", {"csr": csr()})[2] == {"status": "Accepted"}
    refused = station.call("SignCertificate", {"csr": csr("SE-2")})[2]
    assert refused["status"] == "Rejected"
    if protocol != "ocpp1.6":
        assert refused["statusInfo"]["reasonCode"] == "InvalidCSR"


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_where_nobody_signs_every_request_is_refused(protocol: str) -> None:
    assert Speaker(protocol=protocol).call("SignCertificate", {"csr": csr()})[2]["status"] == "Rejected"


def test_certificates_for_plug_and_charge_are_not_signed() -> None:
    station = Speaker(protocol="ocpp2.0.1", policy=Policy(certificate_name="SE-1"))
    payload = {"csr": csr(), "certificateType": "V2GCertificate"}
    assert station.call("SignCertificate", payload)[2]["status"] == "Rejected"


# Who signs


def here(folder: Path, **more: Any) -> OcppSettings:
    authority = Authority(folder)
    files = {"station_ca_cert_file": str(authority.ca_file), "station_ca_key_file": str(authority.key_file)}
    return OcppSettings.model_validate({**files, **more})


def test_authority_signs_the_key_and_the_name_and_nothing_else(tmp_path: Path) -> None:
    signer = signer_of(here(tmp_path))
    assert signer is not None
    asked, now = request(), utc_now()
    certificate = read_chain(signer.sign(asked, now), asked)
    assert certificate.subject.rfc4514_string() == "CN=SE-1"
    assert certificate.not_valid_after_utc <= now + timedelta(hours=1)  # no longer than the authority itself
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.2"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    issuer = x509.load_pem_x509_certificate((tmp_path / "Test-CA.pem").read_bytes())
    certificate.verify_directly_issued_by(issuer)


def test_authority_whose_key_is_anothers_is_not_used(tmp_path: Path) -> None:
    other = Authority(tmp_path, "Another")
    with pytest.raises(SettingsError, match="is not the key of"):
        signer_of(here(tmp_path, station_ca_key_file=str(other.key_file)))
    with pytest.raises(SettingsError, match="cannot be used"):
        signer_of(here(tmp_path, station_ca_key_file=str(tmp_path / "missing")))


def program(folder: Path, body: str) -> OcppSettings:
    script = folder / "sign.py"
    script.write_text(f"import sys\n{body}\n")
    return OcppSettings(sign_certificate_command=shlex.join([sys.executable, "-I", str(script)]))


def test_program_gets_the_request_and_the_name(tmp_path: Path) -> None:
    signer = signer_of(program(tmp_path, "print(sys.argv[1:], sys.stdin.read())"))
    assert signer is not None
    asked = request()
    assert signer.sign(asked, NOW) == f"['SE-1'] {asked.csr}\n"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("sys.exit('no more numbers')", "ended with 1: no more numbers"),
        ("import time; time.sleep(60)", "did not sign: .*timed out"),
    ],
)
def test_program_that_fails_is_told(tmp_path: Path, body: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.signing._PROGRAM_S", 1)
    signer = signer_of(program(tmp_path, body))
    assert signer is not None
    with pytest.raises(SigningError, match=why):
        signer.sign(request(), NOW)


def test_program_that_is_missing_is_told() -> None:
    signer = signer_of(OcppSettings(sign_certificate_command="/nowhere/sign"))
    assert signer is not None
    with pytest.raises(SigningError, match="No such file"):
        signer.sign(request(), NOW)
    with pytest.raises(SigningError, match="option"):
        signer.sign(request("--help"), NOW)


@pytest.mark.parametrize(
    ("chain", "why"),
    [
        (lambda folder: "", "cannot be read"),
        (lambda folder: "hello", "cannot be read"),
        (lambda folder: Authority(folder).issue("SE-1").cert.read_text(), "not of the station's key"),
        (lambda folder: "x" * 10_001, "10001 characters"),
    ],
)
def test_what_is_no_certificate_of_the_station_is_not_sent(
    tmp_path: Path, chain: Callable[[Path], str], why: str
) -> None:
    with pytest.raises(SigningError, match=why):
        read_chain(chain(tmp_path), request())


def test_nobody_signs_where_stations_prove_nothing() -> None:
    with pytest.raises(SettingsError, match="signed for whoever names a station"):
        doors.check(OcppSettings(sign_certificate_command="sign"))


# The whole way


async def test_station_asks_gets_its_certificate_and_comes_back_with_it(tmp_path: Path) -> None:
    (folder := tmp_path / "tls").mkdir()
    authority = Authority(folder)
    ours = authority.issue("central")
    settings = {
        "security_profile": 2,
        "listeners": [{"listen": "127.0.0.1:0", "security_profile": 3}],
        "tls_cert_file": str(ours.cert),
        "tls_key_file": str(ours.key),
        "tls_client_ca_file": str(authority.ca_file),
        "station_ca_cert_file": str(authority.ca_file),
        "station_ca_key_file": str(authority.key_file),
    }
    async with served(tmp_path, **settings) as door:
        signer = signer_of(OcppSettings.model_validate(settings))
        assert signer is not None
        signing = Signing(signer, door.server.calls, door.records, utc_now)
        door.server.on_errand = signing.take
        trust = ssl.create_default_context(cafile=authority.ca_file)
        headers = basic("SE-1", "pass-1")
        at = [f"wss://localhost:{port}/SE-1" for port in door.server.ports]
        async with door.station(url=at[0], ssl=trust, additional_headers=headers) as link:
            assert (await ask(link, "SignCertificate", {"csr": csr()}))[2] == {"status": "Accepted"}
            _, unique_id, action, payload = json.loads(await link.recv())
            assert action == "CertificateSigned"
            await link.send(json.dumps([3, unique_id, {"status": "Accepted"}]))

            def noted() -> Any:
                with door.records.read() as work:
                    return work.people.audit_page().items

            (item,) = await eventually(noted)
        assert (item.action, item.object) == ("station.certificate", "SE-1")
        assert (item.detail["name"], item.detail["outcome"]) == ("SE-1", "accepted")
        (folder / "own.pem").write_text(payload["certificateChain"])
        (folder / "own.key").write_bytes(
            KEY.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        trust.load_cert_chain(folder / "own.pem", folder / "own.key")
        async with door.station(url=at[1], ssl=trust) as link:
            assert (await ask(link, "Heartbeat", {}))[0] == 3

        def known() -> bool:
            with door.records.read() as work:
                return work.stations.credentials()["SE-1"].certificate_expires_at is not None

        await eventually(known)
        await signing.stop()
