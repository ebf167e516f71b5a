"""E-mail and some hundred other services, through Apprise. Imported only when a route needs it: it takes half a
second and some megabytes."""

from __future__ import annotations

import warnings

from detector.notify.message import Message
from detector.notify.routes import Event, Telling
from detector.notify.ways import RefusedError, UndeliveredError
from laddvakt.domain.tickets import Severity, Ticket


def send(telling: Telling, ticket: Ticket, message: Message) -> None:
    """One try. Raises UndeliveredError or RefusedError. Apprise does not tell why a service failed; its own log
    does, without the URL's secrets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that its plugins still import
        import apprise  # noqa: PLC0415  # see above

        service = apprise.Apprise.instantiate(telling.url)
        if service is None:
            raise RefusedError("the route's URL is of no service that Apprise knows.", mend="Mend the route.")
        box = apprise.Apprise()
        box.add(service)
        kind = apprise.NotifyType.WARNING
        if telling.event is Event.RESOLVED:
            kind = apprise.NotifyType.SUCCESS
        elif ticket.severity == Severity.P1:
            kind = apprise.NotifyType.FAILURE
        sent = box.notify(
            title=message.title, body=message.body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
        )
    if not sent:
        raise UndeliveredError(f"{service.service_name} did not take the message.")
