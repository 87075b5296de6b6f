"""The dead man's switch inside: people are told of models that nobody looks at, and of crashes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from monitoring_sdk.adapters.prefect_calls import CrashedRun
from monitoring_sdk.adapters.store import Deciding, Store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.config_alerts import Alerts
from monitoring_sdk.decision import Message
from monitoring_sdk.errors import ConfigError, MonitoringError
from monitoring_sdk.feedback import silenced_until
from monitoring_sdk.render.numbers import short
from monitoring_sdk.render.watched import Notice, notice_content
from monitoring_sdk.report import Check
from monitoring_sdk.routing import Target, maintained_until, routed
from monitoring_sdk.stages.addressing import addressed, answering
from monitoring_sdk.stages.fleet import alerts_of
from monitoring_sdk.stages.publish import page_address
from monitoring_sdk.stages.stale import (
    EVALUATED,
    STALE,
    evaluated_notice,
    next_word,
    stale_notice,
    stale_of,
)
from monitoring_sdk.stages.status import Standing, monitored_models, standings
from monitoring_sdk.stages.steps import worker

CRASHED = "crashed"
"""The kind of transition by which a crash is told of."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was put into the outbox, and of which models it could not be."""

    messages: tuple[Message, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What was told, each once however many receivers there are, and what went wrong."""
        return [*dict.fromkeys(f"told: {m.payload['text']}" for m in self.messages), *self.problems]


def tell_stale(store: Store, now: datetime) -> Told:
    """Tell of each model that went stale, or is so no more: once for a spell, through the outbox.

    Under a silence or in maintenance nothing is told; what still holds is told by the first look
    after it. Of a model whose file is broken nothing is: the file says who is told.

    Parameters
    ----------
    store : Store
        It need not know anything of a model.
    now : datetime
        By the clock.
    """
    found = [s for s in standings(store, now) if s.monitored.config is not None]
    return _of_each({s.monitored.model: partial(_tell_model, store, s, now) for s in found})


def tell_crashed(store: Store, run: CrashedRun, now: datetime) -> Told:
    """Tell of a run that crashed: those who are told of its model, once for the run.

    A run that is for no one model is told of in every place where the alerts of some model go.
    """
    of_model = Path(str(run.parameters.get("model") or "")).stem
    every = [m.config for m in monitored_models(store) if m.config is not None]
    concerned = [c for c in every if c.model == of_model] or every
    elsewhere: set[Target] = set()
    return _of_each(
        {c.model: partial(_tell_crash, store, c, run, elsewhere, now) for c in concerned}
    )


def _of_each(tells: Mapping[str, Callable[[], list[Message]]]) -> Told:
    """Tell of models one by one: what goes wrong with one harms no other."""
    made: list[Message] = []
    problems: list[str] = []
    for model, tell in tells.items():
        try:
            made += tell()
        except MonitoringError as error:
            problems.append(f"{model}: nobody could be told: {error}")
    return Told(tuple(made), tuple(problems))


def _tell_model(store: Store, standing: Standing, now: datetime) -> list[Message]:
    config = standing.monitored.config
    if config is None or not _next(standing, store.spoken(config.model, (STALE, EVALUATED)), now):
        return []
    with store.deciding(config.model, holder=worker(), now=now) as tx:
        # Others may have told of it, or evaluated a window, in the meantime.
        standing = dataclasses.replace(standing, evaluated=tx.evaluated_until())
        told = tx.spoken((STALE, EVALUATED))
        word = _next(standing, told, now)
        if word is None or _quiet(tx, config, now):
            return []
        if word.startswith(f"{EVALUATED}:"):
            made = list(_ended(config, standing, word, told))
        else:
            stale = stale_of(standing, now)
            assert stale is not None  # or else no spell begins
            made = _began(config, word, now, stale_notice(standing, stale, _links(config)))
        for message in made:
            tx.tell(message)
    return made


def _next(standing: Standing, told: list[Message], now: datetime) -> str | None:
    return next_word(stale_of(standing, now), [m.transition for m in told])


def _ended(
    config: MonitorConfig, standing: Standing, word: str, told: list[Message]
) -> Iterator[Message]:
    """Say so quietly wherever the beginning was told."""
    began = f"{STALE}:{word.partition(':')[2]}"
    notice = evaluated_notice(standing)
    for n, lead in enumerate(m for m in told if m.transition == began):
        content = notice_content(notice, lead.kind, config.owner, None)
        yield answering(lead, word, content, first=n == 0)


def _tell_crash(
    store: Store, config: MonitorConfig, run: CrashedRun, elsewhere: set[Target], now: datetime
) -> list[Message]:
    word = f"{CRASHED}:{run.id}"
    with store.deciding(config.model, holder=worker(), now=now) as tx:
        if any(m.transition == word for m in tx.spoken((CRASHED,))):
            elsewhere.update(_targets(config, now))
            return []
        if _quiet(tx, config, now):
            return []
        made = _began(config, word, now, crash_notice(run, _links(config)), elsewhere)
        for message in made:
            tx.tell(message)
    return made


def crash_notice(run: CrashedRun, links: Mapping[str, str]) -> Notice:
    """Write what is told of a run that crashed."""
    lines = [short(run.message, 500)] if run.message else []
    lines.append("What it was to look at is looked at by the next run, or by hand.")
    shown = {**links, **({} if run.address is None else {"run": run.address})}
    return Notice(f"{short(run.name)}: the run crashed", lines, {"Run": run.id}, links=shown)


def _began(
    config: MonitorConfig,
    word: str,
    now: datetime,
    notice: Notice,
    elsewhere: set[Target] | None = None,
) -> list[Message]:
    """Address a notice as an alert of the family `operations` is, but for targets that know."""
    made: list[Message] = []
    for target in _targets(config, now):
        if elsewhere is not None:
            if target in elsewhere:
                continue
            elsewhere.add(target)
        content = notice_content(notice, target.kind, config.owner, target.mention)
        made.append(addressed(config.model, target, "", word, content, first=not made))
    return made


def _targets(config: MonitorConfig, now: datetime) -> list[Target]:
    window = config.cadence.latest(now)
    check = Check("operations", "staleness", window, "alert", severity="critical", exceeded=True)
    return list(routed(_alerts(config), config.model, [check], config.owner.mention))


def _alerts(config: MonitorConfig) -> Alerts:
    try:
        return alerts_of(config)
    except ConfigError:
        # The fleet's file is broken: people are told where the model's own file says.
        return config.alerts


def _quiet(tx: Deciding, config: MonitorConfig, now: datetime) -> bool:
    maintained = maintained_until(_alerts(config), config.window.timezone, now)
    return maintained is not None or silenced_until(tx.feedback(), now) is not None


def _links(config: MonitorConfig) -> dict[str, str]:
    page = page_address(config.model)
    return {} if page is None else {"report": page}
