"""E-mail and some hundred other services, through Apprise. Imported only when a route needs it: it takes half a
second and some megabytes."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import urlsplit

from detector.notify.message import Message
from detector.notify.routes import Event
from detector.notify.ways import Letter, RefusedError, UndeliveredError
from laddvakt.domain.tickets import Severity

_MAIL = frozenset({"mailto", "mailtos", "sendgrid", "mailgun", "ses", "smtp2go", "sparkpost", "resend", "brevo"})
"""Schemes of services that carry a whole HTML page."""

_BRIEF = 640
"""A service that takes no longer text is one like SMS, and gets a line."""


def send(url: str, letter: Letter) -> None:
    """One try. Raises UndeliveredError or RefusedError. Apprise does not tell why a service failed; its own log
    does, without the URL's secrets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that its plugins still import
        import apprise  # noqa: PLC0415  # see above

        service = apprise.Apprise.instantiate(url)
        if service is None:
            raise RefusedError("the route's URL is of no service that Apprise knows.", mend="Mend the route.")
        box = apprise.Apprise()
        box.add(service)
        title, body, form = _form(letter.message, urlsplit(url).scheme, service)
        sent = box.notify(title=title, body=body, notify_type=_kind(letter), body_format=form)
    if not sent:
        raise UndeliveredError(f"{service.service_name} did not take the message.")


def _form(message: Message, scheme: str, service: Any) -> tuple[str, str, str]:
    """Title, body and their format, as the service can carry them."""
    if scheme in _MAIL:
        return message.title, message.html, "html"
    if service.body_maxlen <= _BRIEF:
        return message.title, message.brief, "text"
    return message.title, message.body, "text"


def _kind(letter: Letter) -> str:
    if letter.message.title.startswith("[OK]") or letter.event == Event.RESOLVED:
        return "success"
    return "failure" if any(ticket.severity == Severity.P1 for ticket in letter.tickets) else "warning"
