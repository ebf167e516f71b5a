"""Pseudonyms and encrypted fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.errors import StoreError
from laddvakt.privacy import FieldCipher, mask, pseudonym


def test_a_pseudonym_hides_the_tag_and_does_not_mind_case() -> None:
    found = pseudonym("key", "04a1b2c3")
    assert found == pseudonym("key", " 04A1B2C3 ")
    assert found != pseudonym("other", "04A1B2C3")
    assert found.startswith("tok_")
    assert "04a1" not in found


@pytest.mark.parametrize(("tag", "shown"), [("04A1B2C3", "••••C3"), ("ABCD", "••••"), ("", "••••")])
def test_a_mask_shows_two_characters_of_a_long_tag(tag: str, shown: str) -> None:
    assert mask(tag) == shown


@given(st.text(max_size=50))
def test_what_is_sealed_is_opened_with_the_same_key(text: str) -> None:
    sealed = FieldCipher("key").seal(text)
    assert sealed is not None
    assert FieldCipher("key").open(sealed) == text


def test_nothing_stays_nothing() -> None:
    cipher = FieldCipher("key")
    assert (cipher.seal(None), cipher.open(None)) == (None, None)


def test_another_key_says_which_setting_to_mend() -> None:
    with pytest.raises(StoreError, match=r"privacy\.key"):
        FieldCipher("other").open(FieldCipher("key").seal("Anna"))
