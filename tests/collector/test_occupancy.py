"""Which tokens are in a session now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.occupancy import Occupancy
from collector.ocpp.action import Purpose
from laddvakt.domain.sessions import SessionState
from laddvakt.stores.ports import InUse

FEW = st.integers(0, 3)


@st.composite
def changes(draw: st.DrawFn) -> InUse:
    number = draw(FEW)
    return InUse(
        session_id=f"S-{number}",
        station_id=f"SE-{number % 2}",
        connector_id=1,
        transaction_id=str(number),
        token=draw(st.sampled_from([None, "tok_a", "tok_b"])),
        state=draw(st.sampled_from(list(SessionState))),
    )


@given(st.lists(changes(), max_size=30))
def test_what_was_heard_last_of_each_session_counts_whatever_came_before(heard: list[InUse]) -> None:
    occupancy = Occupancy()
    for session in heard:
        occupancy.heard(session)
    last = {session.session_id: session for session in heard}
    open_now = [s for s in last.values() if s.state is not SessionState.ENDED and s.token is not None]
    for token in ("tok_a", "tok_b"):
        elsewhere = any(s.token == token for s in open_now)
        assert occupancy.elsewhere(token, Purpose("SE-9", 1, starts="x")) == elsewhere
    for session in last.values():
        known = occupancy.starter(session.station_id, session.transaction_id)
        assert known == (session.token if session in open_now else None)


def test_session_whose_connector_is_not_said_is_not_held_against_its_own_station() -> None:
    session = InUse(session_id="S", station_id="SE-1", connector_id=0, transaction_id="T", token="tok_a")
    occupancy = Occupancy([session])
    assert not occupancy.elsewhere("tok_a", Purpose("SE-1", 2, starts="U"))
    assert occupancy.elsewhere("tok_a", Purpose("SE-2", 2, starts="U"))
