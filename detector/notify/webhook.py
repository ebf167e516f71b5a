"""Webhooks: one JSON object per message, by HTTP POST.

Headers: `Idempotency-Key` is the same in every try of one delivery, so that the receiver can drop repeats;
`X-Laddvakt-Event`; `X-Laddvakt-Timestamp`, seconds since 1970; and, where the route's URL carries `?secret=...`,
`X-Laddvakt-Signature: sha256=<hex>`, the HMAC-SHA256 of `<timestamp>.<body>` under that secret, so that what was
recorded cannot be sent again later. The secret itself is never sent.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
import urllib3

from detector.notify.ways import Letter, RefusedError, UndeliveredError
from laddvakt.domain.tickets import Ticket
from laddvakt.domain.times import rfc3339

_TIMEOUT_S = 10.0
_TRY_AGAIN = frozenset({408, 425, 429})
_EVENTS = 20
"""Events of a ticket's history that are sent, the newest; a ticket may have hundreds."""


def is_webhook(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def split_secret(url: str) -> tuple[str, str]:
    """The URL as it is called, and the secret that it carried."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    secrets = [value for name, value in query if name == "secret"]
    kept = urlencode([(name, value) for name, value in query if name != "secret"])
    return urlunsplit(parts._replace(query=kept)), secrets[0] if secrets else ""


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """What the signature header says."""
    return "sha256=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def body_of(letter: Letter) -> bytes:
    """`{"event", "delivery_id", "at", "title", "text", "url", "acknowledge_url", "ticket"}`; `ticket` is the API
    object. A message of several tickets has the event `digest` and `tickets` instead."""
    tickets = [_bounded(ticket) for ticket in letter.tickets]
    told = {"ticket": tickets[0]} if len(tickets) == 1 else {"tickets": tickets}
    return msgspec.json.encode(
        {
            "event": letter.event,
            "delivery_id": letter.key,
            "at": rfc3339(letter.at),
            "title": letter.message.title,
            "text": letter.message.body,
            "url": letter.message.link,
            "acknowledge_url": letter.acknowledge,
            **told,
        }
    )


def _bounded(ticket: Ticket) -> Ticket:
    return msgspec.structs.replace(ticket, events=ticket.events[-_EVENTS:], chart=None)


def send(url: str, letter: Letter, now: datetime) -> None:
    """One try. Raises UndeliveredError or RefusedError."""
    url, secret = split_secret(url)
    body, timestamp = body_of(letter), str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "laddvakt",
        "Idempotency-Key": letter.key,
        "X-Laddvakt-Event": letter.event,
        "X-Laddvakt-Timestamp": timestamp,
    }
    if secret:
        headers["X-Laddvakt-Signature"] = sign(secret, timestamp, body)
    try:
        with urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False) as pool:
            answer = pool.request("POST", url, body=body, headers=headers, redirect=False, preload_content=False)
            answer.close()  # whatever else it says is not read
    except urllib3.exceptions.LocationValueError as error:
        raise RefusedError("the webhook's URL cannot be called.", mend="Mend the route.") from error
    except urllib3.exceptions.HTTPError as error:
        raise UndeliveredError(f"the webhook does not answer: {type(error).__name__}.") from error
    if 200 <= answer.status < 300:
        return
    if answer.status >= 500 or answer.status in _TRY_AGAIN:
        raise UndeliveredError(f"the webhook answered {answer.status}.")
    raise RefusedError(f"the webhook answered {answer.status}.", mend="Mend the route or the receiver.")
