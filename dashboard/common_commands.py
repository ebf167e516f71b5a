"""The commands that people send most, in everybody's words: one row each, with what it is in each OCPP version.

The versions differ in names and shapes alone: 1.6 section 5; 2.0.1 and 2.1 part 2 blocks B, E, F and G.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from laddvakt.domain.commands import CommandResult, CommandStatus, words_of
from laddvakt.domain.errors import ConflictError
from laddvakt.domain.stations import Station, place_of

Payload = dict[str, Any]


class Given(NamedTuple):
    """What a person chose. `connector_id` 0 is the station as a whole; `number` is a fresh remoteStartId."""

    connector_id: int = 0
    token: str = ""
    transaction_id: str = ""
    number: int = 1

    @property
    def evse(self) -> Payload:
        """The connector as OCPP 2.x names it."""
        evse_id, connector_id = place_of(self.connector_id)
        return {"id": evse_id, "connectorId": connector_id}


class CommonCommand(NamedTuple):
    """One row. `question` is asked before it is sent; `{place}` is the station or one of its connectors."""

    key: str
    label: str
    question: str
    in_16: tuple[str, Callable[[Given], Payload]]
    in_2x: tuple[str, Callable[[Given], Payload]]
    of_connector: bool = False  # makes no sense for the station as a whole
    needs_token: bool = False
    needs_session: bool = False


def _availability_2x(status: str) -> Callable[[Given], Payload]:
    def payload(given: Given) -> Payload:
        where = {"evse": given.evse} if given.connector_id else {}
        return {"operationalStatus": status, **where}

    return payload


def _reset(label: str, in_16: str, in_2x: str, question: str) -> CommonCommand:
    return CommonCommand(
        f"reset-{in_16.lower()}",
        label,
        question,
        ("Reset", lambda given: {"type": in_16}),
        ("Reset", lambda given: {"type": in_2x}),
    )


def _trigger(key: str, label: str, question: str, message: str) -> CommonCommand:
    return CommonCommand(
        key,
        label,
        question,
        ("TriggerMessage", lambda given: {"requestedMessage": message, "connectorId": given.connector_id}),
        ("TriggerMessage", lambda given: {"requestedMessage": message, "evse": given.evse}),
        of_connector=True,
    )


COMMON: dict[str, CommonCommand] = {
    row.key: row
    for row in (
        _trigger("status", "Ask for status", "Ask {place} for its status?", "StatusNotification"),
        _trigger("values", "Ask for meter values", "Ask {place} for its meter values?", "MeterValues"),
        CommonCommand(
            "unlock",
            "Unlock cable",
            "Unlock the cable of {place}? A charge that runs there ends.",
            ("UnlockConnector", lambda given: {"connectorId": given.connector_id}),
            (
                "UnlockConnector",
                lambda given: {"evseId": given.evse["id"], "connectorId": given.evse["connectorId"]},
            ),
            of_connector=True,
        ),
        CommonCommand(
            "start",
            "Start charging",
            "Start a charge at {place} for this token:",
            ("RemoteStartTransaction", lambda given: {"idTag": given.token, "connectorId": given.connector_id}),
            (
                "RequestStartTransaction",
                lambda given: {
                    "remoteStartId": given.number,
                    "idToken": {"idToken": given.token, "type": "Central"},
                    "evseId": given.evse["id"],
                },
            ),
            of_connector=True,
            needs_token=True,
        ),
        CommonCommand(
            "stop",
            "Stop charging",
            "Stop the charge at {place}?",
            ("RemoteStopTransaction", lambda given: {"transactionId": int(given.transaction_id)}),
            ("RequestStopTransaction", lambda given: {"transactionId": given.transaction_id}),
            of_connector=True,
            needs_session=True,
        ),
        CommonCommand(
            "inoperative",
            "Take out of service",
            "Take {place} out of service? Nobody can charge there until it is put back.",
            ("ChangeAvailability", lambda given: {"connectorId": given.connector_id, "type": "Inoperative"}),
            ("ChangeAvailability", _availability_2x("Inoperative")),
        ),
        CommonCommand(
            "operative",
            "Put into service",
            "Put {place} into service?",
            ("ChangeAvailability", lambda given: {"connectorId": given.connector_id, "type": "Operative"}),
            ("ChangeAvailability", _availability_2x("Operative")),
        ),
        _reset(
            "Restart gently", "Soft", "OnIdle", "Restart {station}? A station that can waits until nobody charges."
        ),
        _reset("Restart at once", "Hard", "Immediate", "Restart {station} at once? Charges that run there end."),
    )
}


def question(row: CommonCommand, station_id: str, connector_id: int) -> str:
    """What a person is asked. Raises ConflictError where a connector has to be chosen first."""
    if row.of_connector and not connector_id:
        raise ConflictError("Choose a connector first.")
    place = f"connector {connector_id} of {station_id}" if connector_id else station_id
    return row.question.format(place=place, station=station_id)


def command(row: CommonCommand, station: Station, given: Given) -> tuple[str, Payload]:
    """Action and payload in the station's version. Raises ConflictError for what is missing."""
    question(row, station.station_id, given.connector_id)
    if row.needs_token and not given.token:
        raise ConflictError("Write the token that is to be charged.")
    if row.needs_session and not given.transaction_id:
        raise ConflictError(f"Nobody charges at connector {given.connector_id}.")
    action, payload = row.in_16 if station.protocol in (None, "ocpp1.6") else row.in_2x
    return action, payload(given)


def told(result: CommandResult) -> str:
    """What became of it, for people."""
    if result.error is not None:
        return f"The station answered with an error: {result.error.code} {result.error.description}".rstrip()
    if result.answer is None:
        return f"{_NO_ANSWER.get(result.status, result.detail)}."
    said = ", ".join(words_of(result.answer))
    yes = result.status is CommandStatus.ACCEPTED
    return f"The station answered {said}." if said else ("Done." if yes else "The station refused.")


_NO_ANSWER = {
    CommandStatus.TIMEOUT: "The station did not answer in time",
    CommandStatus.LOST: "The connection ended before the station answered",
    CommandStatus.NOT_CONNECTED: "The station is not connected",
    CommandStatus.BUSY: "Too many commands wait for this station already",
    CommandStatus.NOT_SENT: "Its time was over before it could be sent",
}
