"""Webhooks: one JSON object per event, by HTTP POST.

Headers: `Idempotency-Key` is the same in every try of one delivery, so that the receiver can drop repeats;
`X-Laddvakt-Event`; and, where the route's URL carries `?secret=...`, `X-Laddvakt-Signature: sha256=<hex>`, the
HMAC-SHA256 of the body under that secret. The secret itself is never sent.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
import urllib3

from detector.notify.message import Message
from detector.notify.routes import Telling
from detector.notify.ways import RefusedError, UndeliveredError
from laddvakt.domain.tickets import Ticket
from laddvakt.domain.times import rfc3339

_TIMEOUT_S = 10.0
_TRY_AGAIN = frozenset({408, 425, 429})


def is_webhook(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def split_secret(url: str) -> tuple[str, str]:
    """The URL as it is called, and the secret that it carried."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    secrets = [value for name, value in query if name == "secret"]
    kept = urlencode([(name, value) for name, value in query if name != "secret"])
    return urlunsplit(parts._replace(query=kept)), secrets[0] if secrets else ""


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def body_of(telling: Telling, ticket: Ticket, message: Message) -> bytes:
    """`{"event", "delivery_id", "at", "title", "text", "url", "ticket"}`; `ticket` is the API object."""
    return msgspec.json.encode(
        {
            "event": str(telling.event),
            "delivery_id": telling.delivery_id,
            "at": rfc3339(telling.at),
            "title": message.title,
            "text": message.body,
            "url": message.link,
            "ticket": ticket,
        }
    )


def send(telling: Telling, ticket: Ticket, message: Message) -> None:
    """One try. Raises UndeliveredError or RefusedError."""
    url, secret = split_secret(telling.url)
    body = body_of(telling, ticket, message)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "laddvakt",
        "Idempotency-Key": telling.delivery_id,
        "X-Laddvakt-Event": str(telling.event),
    }
    if secret:
        headers["X-Laddvakt-Signature"] = sign(secret, body)
    try:
        with urllib3.PoolManager(timeout=_TIMEOUT_S, retries=False) as pool:
            answer = pool.request("POST", url, body=body, headers=headers, redirect=False)
    except urllib3.exceptions.LocationValueError as error:
        raise RefusedError("the webhook's URL cannot be called.", mend="Mend the route.") from error
    except urllib3.exceptions.HTTPError as error:
        raise UndeliveredError(f"the webhook does not answer: {type(error).__name__}.") from error
    if 200 <= answer.status < 300:
        return
    if answer.status >= 500 or answer.status in _TRY_AGAIN:
        raise UndeliveredError(f"the webhook answered {answer.status}.")
    raise RefusedError(f"the webhook answered {answer.status}.", mend="Mend the route or the receiver.")
