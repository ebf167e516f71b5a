"""Which findings name one trouble: a station's own report and the rule that knows what it means, and so on. Pure.

A rule declares what explains it (`absorbed_by`). While both stand, one is put under the other; where they come one
after the other, they are one trouble all the same, and get one ticket: a residual-current device that was reported
once, cleared, and trips again with another vehicle is no second fault.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec

from detector.rules import RULES
from detector.rules.base import Named, Rule, Scope
from laddvakt.domain.tickets import Finding, Ticket

_SITES = frozenset(rule.code for rule in RULES if rule.scope is Scope.SITE)
_BY_CODE = {rule.code: rule for rule in RULES}


def _families() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for rule in RULES:
        for other in set(rule.absorbed_by) - _SITES:  # what a site explains keeps its own ticket, under the site's
            found[rule.code].add(other)
            found[other].add(rule.code)
    return {code: frozenset(others) for code, others in found.items()}


FAMILIES = _families()
"""Fault -> other names that the same trouble may have."""


def same_trouble(finding: Finding, ticket: Ticket, *, stands: bool) -> bool:
    """Whether a ticket is about what was found, under another name, at the same connector or of the same asset.
    `stands`: the ticket's own finding stands, so only what explains that may go on with it."""
    if ticket.fault not in FAMILIES.get(finding.fault, frozenset()) or ticket.station_id != finding.station_id:
        return False
    elsewhere = finding.connector_id and ticket.connector_id and finding.connector_id != ticket.connector_id
    if elsewhere and (stands or finding.asset != ticket.asset):  # of the station as a whole, it may move about
        return False
    if finding.fault in _BY_CODE[ticket.fault].absorbed_by:
        return _explains(finding, ticket, _BY_CODE[ticket.fault])
    return not stands and _explains(ticket, finding, _BY_CODE[finding.fault])


def goes_along(finding: Finding, ticket: Ticket) -> bool:
    """Whether a ticket that stands under the name of what explains it carries a finding: it had the finding's
    name, as when two connectors of a station were odd and a rule named what one of them has. What came up only
    after it was named is something else."""
    if ticket.fault not in _BY_CODE[finding.fault].absorbed_by:
        return False
    mine = {"was": finding.fault, "was_asset": msgspec.to_builtins(finding.asset)}
    named_at = max((event.at for event in ticket.events if mine.items() <= event.data.items()), default=None)
    if named_at is None or finding.since > named_at:
        return False
    return _explains(ticket, finding, _BY_CODE[finding.fault])


def _explains(specific: Named, other: Named, rule: Rule) -> bool:
    return rule.explained is None or rule.explained(specific, other)
