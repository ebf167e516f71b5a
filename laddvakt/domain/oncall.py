"""Who is on call when: contacts, rotas with their hand-overs, and stand-ins. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can be told of tickets. `urls` are Apprise URLs and webhooks, all of which are told."""

    contact_id: str
    name: str
    urls: tuple[str, ...]


class StandIn(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who takes a stretch of a rota, whoever's turn it is: a holiday, a swap."""

    begin: datetime
    end: datetime  # exclusive
    contact: str


class Rota(msgspec.Struct, frozen=True, kw_only=True):
    """Contacts who take turns. The first turn begins on `first` at `hand_over`, both on the clocks of `timezone`;
    each lasts `turn_days`, and the next begins at the same hour, also after clocks were put forward or back."""

    rota_id: str
    contacts: tuple[str, ...]
    first: date
    hand_over: time = time(8)
    turn_days: int = 7
    timezone: str = "UTC"
    stand_ins: tuple[StandIn, ...] = ()


class OnDuty(NamedTuple):
    """Whose call it is: the one who is told first, and the one behind, where there is another."""

    first: str
    backup: str | None


def on_duty(rota: Rota, at: datetime) -> OnDuty:
    """Who is on call at a moment. The backup is who comes next in the rota; before the first turn the turns are
    counted backwards."""
    local = at.astimezone(ZoneInfo(rota.timezone))
    day = local.date() if local.time() >= rota.hand_over else local.date() - timedelta(days=1)
    turn = (day - rota.first).days // rota.turn_days
    count = len(rota.contacts)
    first = next((s.contact for s in rota.stand_ins if s.begin <= at < s.end), rota.contacts[turn % count])
    following = (rota.contacts[(turn + step) % count] for step in range(1, count + 1))
    return OnDuty(first, next((contact for contact in following if contact != first), None))


class OnCall(msgspec.Struct, frozen=True, kw_only=True):
    """All contacts and rotas, as the network file gave them."""

    contacts: tuple[Contact, ...] = ()
    rotas: tuple[Rota, ...] = ()

    def contact(self, contact_id: str) -> Contact | None:
        return next((item for item in self.contacts if item.contact_id == contact_id), None)

    def on_duty(self, rota_id: str, at: datetime) -> OnDuty | None:
        """None for a rota that does not exist."""
        return next((on_duty(item, at) for item in self.rotas if item.rota_id == rota_id), None)
