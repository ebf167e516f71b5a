"""SignCertificate (OCPP 1.6 security whitepaper A02; 2.0.1 part 2 A02): a station asks for a certificate.

The answer says only whether it will get one; it comes by the command CertificateSigned.
"""

from __future__ import annotations

from typing import Any

from collector.ocpp.action import Action, Answer, Ask, SigningRequest
from collector.ocpp.csr import refusal

_NOBODY = "this central system signs no certificates"


def _why_not(ask: Ask) -> tuple[str, str] | None:
    """Reason code and words."""
    name = ask.policy.certificate_name
    if name is None or ask.payload.get("certificateType") == "V2GCertificate":
        return "NoCertificateAuth", _NOBODY
    why = refusal(str(ask.payload.get("csr", "")), name)
    return None if why is None else ("InvalidCSR", why)


def _request(ask: Ask) -> SigningRequest:
    repeated: dict[str, Any] = {
        key: ask.payload[key] for key in ("certificateType", "requestId") if key in ask.payload
    }
    return SigningRequest(ask.station_id, str(ask.policy.certificate_name), str(ask.payload["csr"]), repeated)


def _v16(ask: Ask) -> Answer:
    if _why_not(ask):
        return Answer({"status": "Rejected"})
    return Answer({"status": "Accepted"}, errand=_request(ask))


def _v2(ask: Ask) -> Answer:
    if why := _why_not(ask):
        info: dict[str, Any] = {"reasonCode": why[0], "additionalInfo": why[1]}
        return Answer({"status": "Rejected", "statusInfo": info})
    return Answer({"status": "Accepted"}, errand=_request(ask))


ACTION = Action("SignCertificate", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
