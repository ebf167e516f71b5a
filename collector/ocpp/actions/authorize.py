"""Authorize (OCPP 1.6 section 4.1; 2.0.1 part 2 C01): may this idTag charge?"""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import TokenPresented
from laddvakt.domain.tokens import AuthorizationStatus


def _presented(ask: Ask, id_tag: str) -> tuple[AuthorizationStatus, TokenPresented]:
    status = ask.policy.authorize(id_tag, ask.received_at)
    fact = TokenPresented(
        at=ask.received_at,
        id_tag=id_tag,
        accepted=status is AuthorizationStatus.ACCEPTED,
        answer=status.value,
    )
    return status, fact


def _v16(ask: Ask) -> Answer:
    status, fact = _presented(ask, ask.payload["idTag"])
    return Answer({"idTagInfo": {"status": status.value}}, (fact,))


def _v2(ask: Ask) -> Answer:
    status, fact = _presented(ask, ask.payload["idToken"]["idToken"])
    return Answer({"idTokenInfo": {"status": status.value}}, (fact,))


ACTION = Action("Authorize", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
