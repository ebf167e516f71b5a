"""Certificates for stations that ask for one: signed by a program of the operator's, or with a key that lies here.

At most two are made at a time and a hundred wait; a station asks again when it hears nothing (2.0.1 part 2 A02).
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.calls import Calls
from collector.ocpp.action import SigningRequest
from collector.ocpp.csr import read_csr
from laddvakt.domain.errors import LaddvaktError, SettingsError, StoreError
from laddvakt.domain.times import rfc3339
from laddvakt.eventlog.tasks import cancel_and_wait
from laddvakt.settings import OcppSettings
from laddvakt.stores.ports import AuditItem, Records

logger = logging.getLogger(__name__)

_AT_ONCE = 2
_MAX_WAITING = 100
_PROGRAM_S = 60
_LONGEST_CHAIN = 10_000  # characters, CertificateSigned of all versions
_BACKDATED = timedelta(hours=1)  # for stations whose clock is behind


class SigningError(LaddvaktError):
    """A request was not signed."""


class Signer(Protocol):
    """Blocks while it works."""

    def sign(self, request: SigningRequest, now: datetime) -> str:
        """The chain in PEM, the station's own certificate first. Raises SigningError."""
        ...


def signer_of(settings: OcppSettings) -> Signer | None:
    """What the settings say. Raises SettingsError for what cannot sign."""
    if settings.sign_certificate_command:
        return Program(settings.sign_certificate_command)
    if settings.station_ca_cert_file:
        return Authority(settings)
    return None


class Program:
    """Gets the request on standard input and the certificate's name as its last argument; prints the chain."""

    def __init__(self, command: str) -> None:
        self._words = shlex.split(command)

    def sign(self, request: SigningRequest, now: datetime) -> str:
        if request.name.startswith("-"):
            raise SigningError(f"{request.name!r} would be read as an option.")
        try:
            done = subprocess.run(  # noqa: S603  # the operator's own command; no shell
                [*self._words, request.name],
                input=request.csr.encode(),
                capture_output=True,
                timeout=_PROGRAM_S,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise SigningError(f"{self._words[0]} did not sign: {error}.") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            raise SigningError(f"{self._words[0]} ended with {done.returncode}: {said}")
        return done.stdout.decode("ascii", errors="replace")


class Authority:
    """Signs with `ocpp.station_ca_key_file`. Of a request it takes the key and the name, and nothing else."""

    def __init__(self, settings: OcppSettings) -> None:
        try:
            self._pem = Path(settings.station_ca_cert_file).read_text("ascii")
            self._certificate = x509.load_pem_x509_certificate(self._pem.encode())
            key = serialization.load_pem_private_key(
                Path(settings.station_ca_key_file).read_bytes(), password=None
            )
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(
                f"ocpp.station_ca_cert_file and station_ca_key_file cannot be used: {error}.",
                mend="Give PEM files of an authority's certificate and its key, without a passphrase.",
            ) from error
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or (
            key.public_key() != self._certificate.public_key()
        ):
            raise SettingsError(
                "ocpp.station_ca_key_file is not the key of station_ca_cert_file.", mend="Give the two that match."
            )
        self._key = key
        self._lives = timedelta(days=settings.station_certificate_days)

    def sign(self, request: SigningRequest, now: datetime) -> str:
        until = min(now + self._lives, self._certificate.not_valid_after_utc)
        if until <= now:
            raise SigningError("the authority's own certificate has expired.")
        asked = read_csr(request.csr)
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, request.name)]))
            .issuer_name(self._certificate.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _BACKDATED, self._certificate.not_valid_before_utc))
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode() + self._intermediate()

    def _intermediate(self) -> str:
        """A root is not sent along: the other side must have it anyway."""
        return "" if self._certificate.subject == self._certificate.issuer else self._pem


def read_chain(chain: str, request: SigningRequest) -> x509.Certificate:
    """The station's certificate in a chain that may be sent. Raises SigningError."""
    if len(chain) > _LONGEST_CHAIN:
        raise SigningError(f"the chain has {len(chain)} characters, and {_LONGEST_CHAIN} may be sent.")
    try:
        certificate = x509.load_pem_x509_certificates(chain.encode())[0]
        theirs = read_csr(request.csr).public_key()
        if certificate.public_key() == theirs:
            return certificate
    except (ValueError, IndexError) as error:
        raise SigningError(f"what was signed cannot be read: {error}.") from error
    raise SigningError("the first certificate is not of the station's key.")


class Signing:
    """`take` a request; the station gets its certificate some time later."""

    def __init__(self, signer: Signer, calls: Calls, records: Records, clock: Callable[[], datetime]) -> None:
        self._signer = signer
        self._calls = calls
        self._records = records
        self._clock = clock
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by station

    def take(self, request: SigningRequest) -> None:
        """A station that asks again while it waits has the same coming to it."""
        if request.station_id in self._tasks or len(self._tasks) >= _MAX_WAITING:
            logger.warning("station %r asks for a certificate: too many at once", request.station_id)
            return
        task = asyncio.create_task(self._serve(request))
        self._tasks[request.station_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(request.station_id, None))

    async def stop(self) -> None:
        await cancel_and_wait(self._tasks.values())

    async def _serve(self, request: SigningRequest) -> None:
        try:
            async with self._room:
                chain = await asyncio.to_thread(self._signer.sign, request, self._clock())
            certificate = read_chain(chain, request)
        except SigningError as error:
            logger.error("no certificate for station %r: %s", request.station_id, error)
            await self._note(request, {"outcome": "not signed"})
            return
        payload = {"certificateChain": chain, **request.repeated}
        result = await self._calls.send(request.station_id, "CertificateSigned", payload, actor="collector")
        logger.info("certificate for station %r: %s", request.station_id, result.status)
        detail = {
            "outcome": result.status.value,
            "serial_number": f"{certificate.serial_number:X}",
            "expires_at": rfc3339(certificate.not_valid_after_utc.astimezone(UTC)),
        }
        await self._note(request, detail)

    async def _note(self, request: SigningRequest, detail: dict[str, str]) -> None:
        item = AuditItem(
            at=self._clock(),
            actor="collector",
            action="station.certificate",
            object=request.station_id,
            detail={"name": request.name, **detail},
        )
        try:
            await asyncio.to_thread(self._write, item)
        except StoreError as error:
            logger.error("the certificate of %r is not in the audit: %s", request.station_id, error)

    def _write(self, item: AuditItem) -> None:
        with self._records.begin() as work:
            work.people.audit(item)
