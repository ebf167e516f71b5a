"""Personal data: pseudonyms for tokens, encryption for fields. Keys come from `privacy.key`."""

from __future__ import annotations

import base64
import hashlib
import hmac

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
