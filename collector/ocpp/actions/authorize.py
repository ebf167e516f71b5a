"""Authorize (OCPP 1.6 section 4.1): may this idTag charge?"""

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import TokenPresented
from laddvakt.domain.tokens import AuthorizationStatus


def _v16(ask: Ask) -> Answer:
    id_tag = ask.payload["idTag"]
    status = ask.policy.authorize(id_tag)
    fact = TokenPresented(
        at=ask.received_at,
        id_tag=id_tag,
        accepted=status is AuthorizationStatus.ACCEPTED,
        answer=status.value,
    )
    return Answer({"idTagInfo": {"status": status.value}}, (fact,))


ACTION = Action("Authorize", {"ocpp1.6": _v16})
