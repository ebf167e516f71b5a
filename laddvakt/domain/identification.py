"""What a driver identifies with, in one normal form: the same card, vehicle or contract is written in many ways.

Without regard to case and surrounding spaces everywhere (OCPP 1.6 section 7.28 CiString20Type). Beyond that:

- bytes written in pairs, `04:A2:B3:C4` or `04-a2-b3-c4`, are the hexadecimal text without separators;
- a vehicle's MAC address is its twelve digits, also behind Autocharge's `VID:`;
- number plates lose spaces, hyphens and dots; contracts (eMAID) their separators and the optional check digit.

Texts that do not show what they are (`AB 123-C`) are read as plates or contracts only where such a token is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from laddvakt.domain.tokens import Token, TokenKind

_VEHICLE = re.compile(r"(?:VID|EVCCID|EVCC|MAC)[:=]?\s?((?:[0-9A-F]{2}[:-]?){5}[0-9A-F]{2})")
_PAIRS = re.compile(r"[0-9A-F]{2}(?:([:\- ])[0-9A-F]{2})(?:\1[0-9A-F]{2}){2,8}")
_MAC_LENGTH = 12
_EMAID = re.compile(r"([A-Z]{2}[A-Z0-9]{12})[A-Z0-9]?")  # country, provider, instance, check digit
_EMAID_SHOWN = re.compile(r"[A-Z]{2}([-*])[A-Z0-9]{3}\1[A-Z0-9]{9}(?:\1[A-Z0-9])?")

# OCPP 2.0.1 IdTokenEnumType, 2.1 appendix IdTokenEnumStringType -> kind. What is not here says nothing of it.
_TYPES = {
    "Central": TokenKind.APP,  # made by a central system, for a remote start
    "DirectPayment": TokenKind.CARD,
    "EMAID": TokenKind.CONTRACT,
    "EVCCID": TokenKind.PLATE,
    "ISO14443": TokenKind.RFID,
    "ISO15693": TokenKind.RFID,
    "MacAddress": TokenKind.PLATE,
    "VIN": TokenKind.PLATE,
}
_KINDS = {name.upper(): kind for name, kind in _TYPES.items()}


class Shown(NamedTuple):
    """What was shown to a station: the text as said, and its kind where the message says so."""

    id_tag: str
    kind: TokenKind | None = None


def kind_of_type(id_token_type: str) -> TokenKind | None:
    """The kind of an OCPP 2.x idToken type; None where the type does not tell (Local, KeyCode...)."""
    return _KINDS.get(id_token_type.upper())


def kind_shown(shown: Shown) -> TokenKind | None:
    """The kind as said, else as the text itself shows."""
    text = plain(shown.id_tag)
    if shown.kind is not None:
        return shown.kind
    if _vehicle(text) is not None:
        return TokenKind.PLATE
    return TokenKind.CONTRACT if _EMAID_SHOWN.fullmatch(text) else None


def plain(id_tag: str) -> str:
    """Without regard to case and surrounding spaces."""
    return id_tag.strip().upper()


def normal_form(id_tag: str, kind: TokenKind | None) -> str:
    """The one text for all ways to write a token of that kind."""
    text = plain(id_tag)
    vehicle = _vehicle(text)
    if vehicle is not None:
        return vehicle
    if _PAIRS.fullmatch(text):
        return _bare(text)
    if kind is TokenKind.PLATE:
        return _bare(text) or text
    if kind is TokenKind.CONTRACT or _EMAID_SHOWN.fullmatch(text):
        contract = _EMAID.fullmatch(_bare(text))
        return contract[1] if contract else _bare(text) or text
    return text


def is_vehicle_address(text: str) -> bool:
    """Whether this can be a vehicle's MAC address, bare digits included."""
    return _vehicle("VID:" + plain(text).removeprefix("VID:")) is not None


def as_read(id_tag: str) -> str:
    """The text that a station's reader would say: bytes without separators; a vehicle's address as it stands."""
    text = plain(id_tag)
    return _bare(text) if _PAIRS.fullmatch(text) and _vehicle(text) is None else text


def forms(shown: Shown) -> Iterator[tuple[str, TokenKind | None]]:
    """The texts under which a token may be known, best first, each once; beside each the kind that a token known
    by it must have (None: any)."""
    text = plain(shown.id_tag)
    own = normal_form(text, kind_shown(shown))
    yield own, None
    seen = {own}
    for form, kind in (
        (text, None),
        (normal_form(text, TokenKind.PLATE), TokenKind.PLATE),
        (normal_form(text, TokenKind.CONTRACT), TokenKind.CONTRACT),
    ):
        if form not in seen:
            seen.add(form)
            yield form, kind


def look_up(
    shown: Shown, pseudonym: Callable[[str], str], get: Callable[[str], Token | None]
) -> tuple[str, Token | None]:
    """Pseudonym and record of what was shown; for something unknown the pseudonym of its normal form."""
    names: list[str] = []
    for form, kind in forms(shown):
        names.append(pseudonym(form))
        found = get(names[-1])
        if found is not None and kind in (None, found.kind):
            return names[-1], found
    return names[0], None


def _vehicle(text: str) -> str | None:
    marked = _VEHICLE.fullmatch(text)
    digits = _bare(marked[1]) if marked else _bare(text) if _PAIRS.fullmatch(text) else ""
    return digits if len(digits) == _MAC_LENGTH else None


def _bare(text: str) -> str:
    return "".join(character for character in text if character.isalnum())
