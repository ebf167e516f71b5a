"""TLS of the station server: files that go together, and time left."""

from __future__ import annotations

import stat
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from collector import doors
from collector.tls import ServerTls, expiry
from laddvakt.cli.checks.finding import Finding, Patient, fail, failed, ok, warn
from laddvakt.domain.errors import SettingsError
from laddvakt.privacy import FieldCipher
from laddvakt.stores.sql.engine import RecordsState, SqlRecords

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
SOON_DAYS = 14  # certificates that live for 90 days are renewed at 30


def server_certificate(patient: Patient) -> Finding:
    """It can be used, and will be for a while."""
    ocpp = patient.settings.ocpp
    profiles = {door.security_profile for door in ocpp.doors if doors.ends_tls(ocpp, door)}
    if not profiles:
        return ok("not used: no address for stations ends TLS here")
    try:
        for profile in profiles:
            ServerTls(ocpp, profile, patient.clock)
        expires_at = expiry(ocpp.tls_cert_file, "tls_cert_file")
    except SettingsError as error:
        return failed(error)
    return _left("the certificate", ocpp.tls_cert_file, expires_at, patient.clock())


def revocation_list(patient: Patient) -> Finding:
    """An outdated list makes every client certificate worthless."""
    ocpp = patient.settings.ocpp
    if not ocpp.tls_crl_file:
        return ok("not used: ocpp.tls_crl_file is not set")
    try:
        until = x509.load_pem_x509_crl(Path(ocpp.tls_crl_file).read_bytes()).next_update_utc
    except (OSError, ValueError) as error:
        return fail(f"{ocpp.tls_crl_file} cannot be read: {error}", "Give the authority's revocation list as PEM.")
    if until is None:
        return ok("it has no date of expiry")
    return _left("the revocation list", ocpp.tls_crl_file, until, patient.clock())


def _left(what: str, name: str, until: datetime, now: datetime) -> Finding:
    mend = f"Put a new one in the place of {name}; it is used without a restart."
    days = (until - now).total_seconds() / 86400
    if days <= 0:
        return fail(f"{what} expired on {until:%Y-%m-%d}", mend)
    text = f"{what} is good until {until:%Y-%m-%d}, {days:.0f} days"
    return warn(text, mend) if days < SOON_DAYS else ok(text)


def station_certificates(patient: Patient) -> Finding:
    """Those that stations showed last; one that expires locks its station out."""
    if not isinstance(patient.records, RecordsState) or patient.records.schema != patient.records.newest:
        return ok("nothing to check without records")
    store = SqlRecords(patient.settings.records_url, FieldCipher("nothing is sealed here"))
    with closing(store) as records, records.read() as work:
        kept = work.stations.credentials()
    until = {name: one.certificate_expires_at for name, one in kept.items() if one.certificate_expires_at}
    ending = sorted(name for name, at in until.items() if at - patient.clock() < timedelta(days=SOON_DAYS))
    if not ending:
        return ok(f"{len(until)} stations showed one" if until else "no station has shown one")
    some = ", ".join(ending[:5]) + (" and others" if len(ending) > 5 else "")
    mend = "Ask them for a new request: docs/how-to/secure-stations.md, certificates for stations."
    return warn(f"within {SOON_DAYS} days, or over: those of {len(ending)} stations, {some}", mend)


def private_keys(patient: Patient) -> Finding:
    """Nobody but their owner reads them."""
    ocpp, mqtt = patient.settings.ocpp, patient.settings.mqtt
    given = (ocpp.tls_key_file or ocpp.tls_cert_file, ocpp.station_ca_key_file, mqtt.key_file)
    present = [Path(name) for name in dict.fromkeys(filter(None, given)) if Path(name).is_file()]
    bare = [str(path) for path in present if path.stat().st_mode & _OTHERS]
    if bare:
        mend = f"chmod 600 {' '.join(bare)}; if somebody may have read one, make another."
        return warn(f"readable by other users: {', '.join(bare)}", mend)
    return ok(f"{len(present)} files, readable by their owner alone" if present else "none in use")
