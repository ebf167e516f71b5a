"""Local authorisation lists (OCPP 1.6 sections 3.5.2, 5.11 and 5.16; 2.0.1 part 2 D01 and D02): what to send to a
station that holds one version so that it holds the newest. Pure.

Any collector comes to the same answer: the version of each token's last change stands in the records, and the
highest is that of the list. It is larger than a hundred million; the parts of a list that takes several messages
count 1, 2, ..., so that a station that was interrupted shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from collector.ocpp.action import Verdict
from collector.ocpp.id_token import id_tag_info, id_token_info
from laddvakt.domain.identification import Shown, as_read, kind_shown
from laddvakt.domain.tokens import AuthorizationStatus, TokenKind
from laddvakt.stores.ports import ListedToken

EMPTY = 0
"""The version of a list without entries (OCPP 1.6 section 5.10)."""

_LONGEST = {"ocpp1.6": 20, "ocpp2.0.1": 36, "ocpp2.1": 255}  # characters of an idTag
_TYPES = {TokenKind.RFID: "ISO14443", TokenKind.CONTRACT: "eMAID", TokenKind.APP: "Central"}
_VERSION = {"ocpp1.6": "listVersion"}  # 2.x: versionNumber
_KEYS_16 = ("SupportedFeatureProfiles", "LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength")
_VARIABLES_2 = ("Available", "Enabled", "ItemsPerMessage")


class Room(NamedTuple):
    """What a station takes: entries in one message, and in all. These are for one that does not say."""

    per_message: int = 50
    entries: int = 5000


def version_of(listed: Sequence[ListedToken]) -> int:
    """The version of the whole list."""
    return max((token.listed for token in listed), default=EMPTY)


def held_version(answer: Mapping[str, Any]) -> int | None:
    """What GetLocalListVersion answered; None where the station keeps no lists (1.6: -1)."""
    said = answer.get("listVersion", answer.get("versionNumber"))
    return int(said) if isinstance(said, int | float) and 0 <= said < 2**53 else None


def messages(protocol: str, listed: Sequence[ListedToken], held: int, room: Room) -> list[dict[str, Any]]:
    """The SendLocalList payloads that bring a station from version `held` to the newest, in order; none where it
    is there. Changes alone where that is enough and certain, else the whole list."""
    version = version_of(listed)
    if held == version:
        return []
    usable = [token for token in listed if len(as_read(token.id_tag)) <= _LONGEST[protocol]]
    fits = len(usable) <= room.entries
    changed = [token for token in usable if token.listed > held]
    # Only versions that are ours are built upon: another central system may have left a list of its own.
    ours = held < version and any(token.listed == held for token in listed)
    if ours and fits and changed and len(changed) <= room.per_message:
        return [_message(protocol, "Differential", version, changed)]
    return _whole(protocol, usable if fits else _most_useful(usable)[: room.entries], version, room)


def _whole(protocol: str, tokens: Sequence[ListedToken], version: int, room: Room) -> list[dict[str, Any]]:
    size = max(room.per_message, 1)
    parts = [tokens[start : start + size] for start in range(0, len(tokens), size)] or [()]
    versions = [*range(1, len(parts)), version]
    kinds = ["Full", *["Differential"] * (len(parts) - 1)]
    return [
        _message(protocol, kind, number, part) for kind, number, part in zip(kinds, versions, parts, strict=True)
    ]


def _most_useful(tokens: Sequence[ListedToken]) -> list[ListedToken]:
    """For a station that takes fewer than there are: those that may charge first."""
    return sorted(tokens, key=lambda listed: listed.token.status is not AuthorizationStatus.ACCEPTED)


def _message(protocol: str, kind: str, version: int, tokens: Sequence[ListedToken]) -> dict[str, Any]:
    entry = _entry_16 if protocol == "ocpp1.6" else _entry_2
    payload: dict[str, Any] = {_VERSION.get(protocol, "versionNumber"): version}
    if tokens:  # 2.x allows no empty list, but none
        payload["localAuthorizationList"] = [entry(token) for token in tokens]
    return {**payload, "updateType": kind}


def _verdict(listed: ListedToken) -> Verdict:
    token = listed.token
    return Verdict(token.status, token.expires_at, token.group_id)


def _entry_16(listed: ListedToken) -> dict[str, Any]:
    return {"idTag": as_read(listed.id_tag), "idTagInfo": id_tag_info(_verdict(listed))}


def _entry_2(listed: ListedToken) -> dict[str, Any]:
    text = as_read(listed.id_tag)
    vehicle = kind_shown(Shown(text)) is TokenKind.PLATE
    name = "MacAddress" if vehicle else _TYPES.get(listed.token.kind, "Local")
    return {"idToken": {"idToken": text, "type": name}, "idTokenInfo": id_token_info(_verdict(listed))}


# What the station takes.


def question(protocol: str) -> tuple[str, dict[str, Any]]:
    """The command that asks for it."""
    if protocol == "ocpp1.6":
        return "GetConfiguration", {"key": list(_KEYS_16)}
    asked = [{"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": name}} for name in _VARIABLES_2]
    return "GetVariables", {"getVariableData": asked}


def room_of(answer: Mapping[str, Any]) -> Room | None:
    """What the station takes by its answer; None where it keeps no lists, or has them switched off."""
    said = _said(answer)
    profiles = said.get("SupportedFeatureProfiles", "LocalAuthListManagement")
    switched = [said.get(name, "true").lower() for name in ("LocalAuthListEnabled", "Available", "Enabled")]
    if "LocalAuthListManagement" not in profiles or "false" in switched:
        return None
    per_message = _number(said.get("SendLocalListMaxLength", said.get("ItemsPerMessage", "")))
    entries = _number(said.get("LocalAuthListMaxLength", ""))
    return Room(per_message or Room().per_message, entries or Room().entries)


def _said(answer: Mapping[str, Any]) -> dict[str, str]:
    """Names and values, whichever of the two it answers."""
    pairs = [(item.get("key"), item.get("value")) for item in _items(answer, "configurationKey")]
    for item in _items(answer, "getVariableResult"):
        variable = item.get("variable")
        if isinstance(variable, dict):
            pairs.append((variable.get("name"), item.get("attributeValue")))
    return {str(name): value for name, value in pairs if isinstance(value, str)}


def _items(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = answer.get(name)
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) else None
