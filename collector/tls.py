"""TLS of the station server: contexts from files, renewed when the files change (security profiles 2 and 3).

Cipher suites: OCPP asks for ECDHE-ECDSA and for plain RSA key exchange, both with AES-GCM (2.0.1 part 2
A00.FR.318). The former and their RSA-certificate kin are always there. The latter have no forward secrecy and
are offered only with `ocpp.tls_rsa_key_exchange`. TLS 1.3 has its own suites, all of them good.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from laddvakt.domain.errors import SettingsError
from laddvakt.settings import OcppSettings

logger = logging.getLogger(__name__)

LOOK_S = 30.0  # between two looks at the files
_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
_RSA_SUITES = ":AES128-GCM-SHA256:AES256-GCM-SHA384"


class ServerTls:
    """The contexts of one listener. Raises SettingsError for files that cannot be used.

    `context` is given to the server and stays; each handshake is handed over to the newest one made of the
    files, so that certificate, key, authorities and revocation lists change together or not at all.
    """

    def __init__(self, settings: OcppSettings, profile: int, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._profile = profile
        self._clock = clock
        self._seen = _stamps(settings)
        self._newest = _context(settings, profile, clock())
        self._revoked = _revocation_lists(settings)
        self.context = _context(settings, profile, clock())
        self.context.sni_callback = self._hand_over

    def look(self) -> bool:
        """Whether the files have changed and are in use now. Files that cannot be used are logged, the former ones
        stay, and they are looked at again when they change."""
        stamps = _stamps(self._settings)
        if stamps == self._seen:
            return False
        self._seen = stamps
        try:
            newest = _context(self._settings, self._profile, self._clock())
            self._newest, self._revoked = newest, _revocation_lists(self._settings)
        except SettingsError as error:
            logger.error("changed TLS files are not used, the former ones stay: %s", error)
            return False
        logger.info("TLS files changed; new connections use them")
        return True

    def vouches_for(self, connection: ssl.SSLObject) -> bool:
        """Whether the client's certificate is good to this day. The handshake has looked already, but not where it
        resumed a session of TLS 1.2, which Python cannot forbid."""
        shown = connection.getpeercert(binary_form=True)
        if not shown:
            return False
        certificate = x509.load_der_x509_certificate(shown)
        revoked = any(
            found.issuer == certificate.issuer
            and found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
            for found in self._revoked
        )
        return not revoked and certificate.not_valid_after_utc > self._clock()

    def _hand_over(self, connection: ssl.SSLObject | ssl.SSLSocket, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._newest


def _stamps(settings: OcppSettings) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when a file does, or the one that a link points to."""
    names = (settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file, settings.tls_crl_file)
    return tuple(_stamp(Path(name)) for name in names if name)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_ino, state.st_mtime_ns, state.st_size


def _context(settings: OcppSettings, profile: int, now: datetime) -> ssl.SSLContext:
    cert_file = _file("tls_cert_file", settings.tls_cert_file, f"security profile {profile}")
    key_file = _file("tls_key_file", settings.tls_key_file) if settings.tls_key_file else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES + (_RSA_SUITES if settings.tls_rsa_key_exchange else ""))
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    try:
        context.load_cert_chain(cert_file, key_file, password="")
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(
            f"ocpp.tls_cert_file and tls_key_file do not make a server certificate: {error}.",
            mend="Give PEM files of a certificate and its own private key, without a passphrase.",
        ) from error
    expires_at = expiry(cert_file, "tls_cert_file")
    if expires_at <= now:
        raise SettingsError(
            f"the certificate in {cert_file} (ocpp.tls_cert_file) expired on {expires_at:%Y-%m-%d}.",
            mend="Renew it; stations would refuse it.",
        )
    if profile == 3:
        _ask_for_certificates(context, settings)
    return context


def _ask_for_certificates(context: ssl.SSLContext, settings: OcppSettings) -> None:
    ca_file = _file("tls_client_ca_file", settings.tls_client_ca_file, "security profile 3")
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(ca_file)
        if settings.tls_crl_file:
            context.load_verify_locations(_file("tls_crl_file", settings.tls_crl_file))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except ssl.SSLError as error:
        raise SettingsError(
            f"ocpp.tls_client_ca_file or tls_crl_file cannot be used: {error}.", mend="Give PEM files."
        ) from error


def _revocation_lists(settings: OcppSettings) -> list[x509.CertificateRevocationList]:
    if not settings.tls_crl_file:
        return []
    text = Path(_file("tls_crl_file", settings.tls_crl_file)).read_bytes()
    blocks = re.findall(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", text, re.DOTALL)
    try:
        return [x509.load_pem_x509_crl(block) for block in blocks]
    except ValueError as error:
        raise SettingsError(
            f"ocpp.tls_crl_file: {settings.tls_crl_file} cannot be read: {error}.", mend="Give a PEM file."
        ) from error


def expiry(name: str, key: str) -> datetime:
    """When the first certificate of a PEM file expires. Raises SettingsError."""
    try:
        return x509.load_pem_x509_certificate(Path(name).read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"ocpp.{key}: {name} holds no certificate: {error}.", mend="Give a PEM file."
        ) from error


def _file(key: str, name: str, wanted_by: str = "") -> str:
    """The file, looked at. Raises SettingsError."""
    if not name:
        raise SettingsError(f"{wanted_by} needs ocpp.{key}.", mend="See docs/how-to/secure-stations.md.")
    try:
        text = Path(name).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"ocpp.{key}: cannot read {name}: {error.strerror}.", mend="Name a file that this user may read."
        ) from error
    if b"-----BEGIN" not in text:
        raise SettingsError(f"ocpp.{key}: {name} is not a PEM file.", mend="Convert it with openssl.")
    return name


def is_named(certificate: Mapping[str, Any], wanted: str) -> bool:
    """Whether a client certificate (as `ssl.SSLSocket.getpeercert` tells it) stands for this name: by a common
    name of its subject, as it is, or by a DNS name beside it, of any case (RFC 4343)."""
    subject = [part for group in certificate.get("subject", ()) for part in group]
    beside = [(kind, name.lower()) for kind, name in certificate.get("subjectAltName", ())]
    return ("commonName", wanted) in subject or ("DNS", wanted.lower()) in beside


def expiry_of(certificate: Mapping[str, Any]) -> datetime | None:
    """When a client certificate (as `ssl.SSLSocket.getpeercert` tells it) expires."""
    told = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(told), UTC) if told else None
