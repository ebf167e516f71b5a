"""Personal data: pseudonyms for tokens, encryption for fields. Keys come from `privacy.key`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from laddvakt.domain.errors import StoreError


def pseudonym(key: str, id_tag: str) -> str:
    """A stable name for an idTag that does not show it: HMAC-SHA-256 under the privacy key. OCPP 1.6 idTags
    are case-insensitive (CiString20), so case does not matter."""
    digest = hmac.new(key.encode(), id_tag.strip().upper().encode(), hashlib.sha256).digest()
    return "tok_" + base64.b32encode(digest[:10]).decode().lower()


def mask(id_tag: str) -> str:
    """For people to recognise their own card by: the last two characters."""
    return "••••" + id_tag.strip()[-2:] if len(id_tag.strip()) > 4 else "••••"


class FieldCipher:
    """Encrypts single text fields (Fernet: AES-128-CBC and HMAC-SHA-256)."""

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"fields" + key.encode()).digest()))

    def seal(self, text: str | None) -> str | None:
        return None if text is None else self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str | None) -> str | None:
        """Raises StoreError when the key is not the one that sealed it."""
        if sealed is None:
            return None
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise StoreError(
                "personal data cannot be decrypted: privacy.key is not the key it was written with.",
                mend="Set privacy.key to the former key.",
            ) from error


HIDDEN = "••••"
_SECRET_NAME = re.compile(r"password|passphrase|authorizationkey|secret|private_?key|^sim_?pin$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]*@")
_TOKEN_NAMES = frozenset({"idTag", "idToken", "parentIdTag"})
_SHORTEST = 6  # characters of a secret that is looked for in other texts
_DEEPEST = 32  # OCPP nests eight deep; what lies deeper is nothing that has to be shown


def names_secret(setting: str) -> bool:
    """Whether a configuration key or a variable of that name holds a secret."""
    return _SECRET_NAME.search(setting) is not None


def without_secrets(payload: dict[str, Any]) -> dict[str, Any]:
    """An OCPP payload with its secrets hidden: passwords and keys in fields, configuration keys, variables and
    addresses. An equal one where there is none."""
    hidden: dict[str, Any] = _walk(payload, "", 0, tokens=False)
    return hidden


def secrets_in(payload: dict[str, Any]) -> list[str]:
    """The texts of an OCPP payload that `without_secrets` hides, or parts of; very short ones left out."""
    return [text for text in _changed(payload, without_secrets(payload)) if len(text) >= _SHORTEST]


def conceal(value: Any, secrets: list[str], depth: int = 0) -> Any:
    """Decoded JSON in whose texts the secrets are hidden: an answer may repeat what it was asked."""
    if depth > _DEEPEST or not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return value
    if isinstance(value, list):
        return [conceal(part, secrets, depth + 1) for part in value]
    if isinstance(value, dict):
        return {name: conceal(part, secrets, depth + 1) for name, part in value.items()}
    return value


def _changed(value: Any, shown: Any) -> Iterator[str]:
    """The texts of a payload that are other ones in its shown form."""
    if isinstance(value, dict) and isinstance(shown, dict):
        for name, part in value.items():
            yield from _changed(part, shown[name])
    elif isinstance(value, list) and isinstance(shown, list):
        for part, shown_part in zip(value, shown, strict=True):
            yield from _changed(part, shown_part)
    elif isinstance(value, str) and value != shown:
        yield value


def for_people(payload: dict[str, Any]) -> dict[str, Any]:
    """An OCPP payload as audit and history may keep it: no secrets, and drivers' tokens masked."""
    hidden: dict[str, Any] = _walk(payload, "", 0, tokens=True)
    return hidden


def _walk(value: Any, inside: str, depth: int, *, tokens: bool) -> Any:
    """`inside` is the name of the field that holds the value."""
    if depth > _DEEPEST:
        return HIDDEN
    if isinstance(value, list):
        return [_walk(part, inside, depth + 1, tokens=tokens) for part in value]
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", value)
    if not isinstance(value, dict):
        return value
    variable = value.get("variable")
    setting = value.get("key", variable.get("name") if isinstance(variable, dict) else None)
    secret = isinstance(setting, str) and names_secret(setting)
    walked = {}
    for name, part in value.items():
        if isinstance(part, str) and _is_secret(name, inside, of_secret_setting=secret):
            walked[name] = HIDDEN
        elif tokens and isinstance(part, str) and name in _TOKEN_NAMES:
            walked[name] = mask(part)
        else:
            walked[name] = _walk(part, name, depth + 1, tokens=tokens)
    return walked


def _is_secret(name: str, inside: str, *, of_secret_setting: bool) -> bool:
    if of_secret_setting and name in ("value", "attributeValue"):
        return True
    # VPNType of SetNetworkProfile (2.0.1 part 2 section 2.53) has its shared key in `key`
    return _SECRET_NAME.search(name) is not None or (inside == "vpn" and name == "key")
