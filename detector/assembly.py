"""Puts engine and models together, the same way for the running service and for replay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from detector.engine import Engine
from detector.models.watch import ModelWatch
from detector.rules import LocalLimits, rules_but, thresholds_for
from detector.rules.base import Rule
from laddvakt.domain.ids import partition_of
from laddvakt.privacy import pseudonym
from laddvakt.settings import Settings


def make_watch(settings: Settings) -> ModelWatch | None:
    if not settings.detector.forest:
        return None
    return ModelWatch(train_after=timedelta(hours=settings.detector.train_after_hours))


def make_engine(
    settings: Settings,
    key: str,
    partitions: int,
    watch: ModelWatch | None,
    *,
    seen: Callable[[Rule], Rule] = lambda rule: rule,
) -> Engine:
    """Raises SettingsError for a rule or threshold that does not exist. `seen` may put an ear on each rule."""
    mine = settings.detector
    rules = tuple(seen(rule) for rule in rules_but(mine.rules_off))
    fleet = thresholds_for(mine.rules)
    local = LocalLimits(fleet, mine.site_rules, mine.model_rules)
    return Engine(
        watch=watch,
        rules=rules,
        thresholds=fleet,
        limits_at=local if mine.site_rules or mine.model_rules else None,
        pseudonymise=lambda id_tag: pseudonym(key, id_tag),
        heartbeat_s=settings.ocpp.heartbeat_interval_s,
        partition_of=lambda station_id: partition_of(station_id, partitions),
    )
