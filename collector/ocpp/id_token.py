"""idTags and idTokens: as they are read, and what is answered about them in each version's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.ocpp.action import ACCEPTED, Verdict
from laddvakt.domain.identification import Shown, kind_of_type, kind_shown
from laddvakt.domain.times import rfc3339
from laddvakt.domain.tokens import AuthorizationStatus

_NO_AUTHORIZATION = "noauthorization"

# A contract whose certificate the station could not check and hands on (2.0.1 part 2 C07): neither can we.
NOT_CHECKED = Verdict(AuthorizationStatus.INVALID)
NO_CERTIFICATE = {"certificateStatus": "NoCertificateAvailable"}


def shown_16(id_tag: str) -> Shown:
    """An idTag of 1.6, which says nothing of its kind but by its look."""
    return Shown(id_tag, kind_shown(Shown(id_tag)))


def shown_2(id_token: dict[str, Any]) -> Shown:
    """An idToken of 2.x."""
    shown = Shown(id_token["idToken"], kind_of_type(id_token["type"]))
    return shown._replace(kind=kind_shown(shown))


def is_free(id_token: dict[str, Any]) -> bool:
    """A start button, or a key: nobody is to be authorised (2.0.1 part 2 C02)."""
    return str(id_token["type"]).casefold() == _NO_AUTHORIZATION


def verdict_of(answer: Mapping[str, Any]) -> Verdict:
    """What another central system answered about a token; Accepted where it says nothing of one."""
    info = answer.get("idTagInfo", answer.get("idTokenInfo"))
    if not isinstance(info, dict):
        return ACCEPTED
    try:
        return Verdict(AuthorizationStatus(str(info.get("status"))))
    except ValueError:
        return Verdict(AuthorizationStatus.INVALID)


def id_tag_info(verdict: Verdict) -> dict[str, Any]:
    """IdTagInfo (OCPP 1.6 section 7.27)."""
    info: dict[str, Any] = {}
    if verdict.expires_at is not None:
        info["expiryDate"] = rfc3339(verdict.expires_at)
    if verdict.group_id is not None:
        info["parentIdTag"] = verdict.group_id
    return {**info, "status": verdict.status.in_16}


def id_token_info(verdict: Verdict) -> dict[str, Any]:
    """IdTokenInfoType (OCPP 2.0.1 part 2 section 2.27)."""
    info: dict[str, Any] = {"status": verdict.status.value}
    if verdict.expires_at is not None:
        info["cacheExpiryDateTime"] = rfc3339(verdict.expires_at)
    if verdict.group_id is not None:
        info["groupIdToken"] = {"idToken": verdict.group_id, "type": "Central"}
    return info
