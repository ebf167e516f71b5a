"""Authorize (OCPP 1.6 section 4.1; 2.0.1 part 2 C01): may this idTag charge?"""

from collector.ocpp.action import ACCEPTED, Action, Answer, Ask, Purpose, Verdict
from collector.ocpp.id_token import (
    NO_CERTIFICATE,
    NOT_CHECKED,
    id_tag_info,
    id_token_info,
    is_free,
    shown_2,
    shown_16,
)
from laddvakt.domain.facts import TokenPresented
from laddvakt.domain.identification import Shown


def _fact(ask: Ask, shown: Shown, verdict: Verdict) -> TokenPresented:
    return TokenPresented(
        at=ask.received_at,
        id_tag=shown.id_tag,
        token_kind=shown.kind,
        accepted=verdict.refused is None,
        answer=verdict.status.value,
    )


def _v16(ask: Ask) -> Answer:
    shown = shown_16(ask.payload["idTag"])
    verdict = ask.policy.authorize(shown, Purpose(ask.station_id), ask.received_at)
    return Answer({"idTagInfo": id_tag_info(verdict)}, (_fact(ask, shown, verdict),))


def _v2(ask: Ask) -> Answer:
    id_token = ask.payload["idToken"]
    shown = shown_2(id_token)
    if ask.payload.get("certificate"):
        reply = {"idTokenInfo": id_token_info(NOT_CHECKED), **NO_CERTIFICATE}
        return Answer(reply, (_fact(ask, shown, NOT_CHECKED),))
    verdict = (
        ACCEPTED if is_free(id_token) else ask.policy.authorize(shown, Purpose(ask.station_id), ask.received_at)
    )
    return Answer({"idTokenInfo": id_token_info(verdict)}, (_fact(ask, shown, verdict),))


ACTION = Action("Authorize", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
