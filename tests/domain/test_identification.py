"""One normal form for all the ways to write a card, a vehicle, a contract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.identification import Shown, forms, kind_of_type, kind_shown, look_up, normal_form, plain
from laddvakt.domain.tokens import Token, TokenKind

KINDS = st.sampled_from([None, *TokenKind])


@pytest.mark.parametrize(
    ("written", "kind", "form"),
    [
        (" 04a2b3c4 ", TokenKind.RFID, "04A2B3C4"),
        ("04:A2:B3:C4", TokenKind.RFID, "04A2B3C4"),
        ("04-a2-b3-c4-d5-e6-80", None, "04A2B3C4D5E680"),
        ("04:A2-B3:C4", TokenKind.RFID, "04:A2-B3:C4"),  # no one writes bytes so
        ("DEPOT-1", TokenKind.RFID, "DEPOT-1"),
        ("ab 123-c", TokenKind.PLATE, "AB123C"),
        ("M-ÜX 99", TokenKind.PLATE, "MÜX99"),
        ("ab 123-c", TokenKind.RFID, "AB 123-C"),
        ("VID:0011223344aa", None, "0011223344AA"),
        ("vid:00:11:22:33:44:aa", None, "0011223344AA"),
        ("EVCCID 0011223344AA", None, "0011223344AA"),
        ("00-11-22-33-44-AA", TokenKind.PLATE, "0011223344AA"),
        ("VID:UNREADABLE", TokenKind.PLATE, "VIDUNREADABLE"),
        ("SE-8AA-CA2B3C4D5-9", None, "SE8AACA2B3C4D5"),
        ("se8aaca2b3c4d5", TokenKind.CONTRACT, "SE8AACA2B3C4D5"),
        ("SE8AACA2B3C4D59", TokenKind.CONTRACT, "SE8AACA2B3C4D5"),
        ("SE*8AA*A2B3C4*9", TokenKind.CONTRACT, "SE8AAA2B3C49"),  # DIN SPEC 91286: shorter, kept whole
        ("DEMODRIVERCARD1", None, "DEMODRIVERCARD1"),  # a card with a name as long as a contract's
        ("--", TokenKind.PLATE, "--"),
    ],
)
def test_each_kind_has_one_normal_form(written: str, kind: TokenKind | None, form: str) -> None:
    assert normal_form(written, kind) == form


@given(st.text(max_size=40), KINDS)
def test_normal_form_is_stable_and_never_empty(text: str, kind: TokenKind | None) -> None:
    form = normal_form(text, kind)
    assert bool(form) == bool(plain(text))
    tried = [name for name, _ in forms(Shown(text, kind))]
    assert len(tried) == len(set(tried)) <= 4
    assert plain(text) in tried  # what was known by its plain text before stays known


@given(st.text("0123456789abcdefABCDEF", min_size=12, max_size=12), st.sampled_from([":", "-", ""]))
def test_vehicle_is_the_same_however_its_address_is_written(digits: str, separator: str) -> None:
    written = separator.join(digits[start : start + 2] for start in range(0, 12, 2))
    assert normal_form(f"VID:{written}", None) == normal_form(written, TokenKind.PLATE) == digits.upper()
    assert kind_shown(Shown(f"VID:{written}")) is TokenKind.PLATE


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Central", TokenKind.APP),
        ("DirectPayment", TokenKind.CARD),
        ("eMAID", TokenKind.CONTRACT),
        ("EMAID", TokenKind.CONTRACT),
        ("EVCCID", TokenKind.PLATE),
        ("MacAddress", TokenKind.PLATE),
        ("VIN", TokenKind.PLATE),
        ("ISO14443", TokenKind.RFID),
        ("ISO15693", TokenKind.RFID),
        ("KeyCode", None),
        ("Local", None),
        ("NoAuthorization", None),
        ("SomethingNew", None),
    ],
)
def test_types_of_ocpp_2_are_kinds(name: str, kind: TokenKind | None) -> None:
    assert kind_of_type(name) is kind


def known(*tokens: tuple[str, TokenKind]) -> dict[str, Token]:
    return {form: Token(token=form, label="", kind=kind) for form, kind in tokens}


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (Shown("AB 123-C"), "AB123C"),
        (Shown("ab123c"), "AB123C"),
        (Shown("DEPOT-11"), None),  # DEPOT11 is a card: hyphens of cards count
        (Shown("SE8AACA2B3C4D59"), "SE8AACA2B3C4D5"),
        (Shown("VID:0011223344AA"), "VID:0011223344AA"),  # known by its plain text from before
    ],
)
def test_plates_and_contracts_are_found_without_being_told_the_kind(shown: Shown, found: str | None) -> None:
    tokens = known(
        ("AB123C", TokenKind.PLATE),
        ("DEPOT11", TokenKind.RFID),
        ("SE8AACA2B3C4D5", TokenKind.CONTRACT),
        ("VID:0011223344AA", TokenKind.PLATE),
    )
    name, token = look_up(shown, lambda form: form, tokens.get)
    assert (token.token if token else None) == found
    assert token is None or name == token.token


def test_unknown_vehicle_has_the_same_name_each_time() -> None:
    names = {
        look_up(Shown(text), lambda form: form, {}.get)[0] for text in ("VID:0011223344AA", "00:11:22:33:44:aa")
    }
    assert names == {"0011223344AA"}
