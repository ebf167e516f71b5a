"""GetCertificateChainStatus (OCPP 2.1 part 2 M07): are the certificates of a chain revoked? Nobody here asks OCSP
responders or fetches revocation lists, so each is answered `Failed`: not found out."""

from collections.abc import Iterator
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.times import rfc3339


def _statuses(ask: Ask) -> Iterator[dict[str, Any]]:
    for request in ask.payload["certificateStatusRequests"]:
        yield {
            "certificateHashData": request["certificateHashData"],
            "source": request["source"],
            "status": "Failed",
            "nextUpdate": rfc3339(ask.received_at),
        }


def _v2(ask: Ask) -> Answer:
    return Answer({"certificateStatus": list(_statuses(ask))})


ACTION = Action("GetCertificateChainStatus", {"ocpp2.1": _v2})
