"""The sections of a monitor file about alarms: their budget, and the calendar."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from monitoring_sdk.alarms.budget import parse_budget
from monitoring_sdk.alarms.judging import Budget
from monitoring_sdk.config_problems import not_allowed
from monitoring_sdk.config_sections import Moment, Names, Section
from monitoring_sdk.errors import ConfigError

DEFAULT_BUDGET = "1 per 30d"


def _budget(value: Any) -> str:
    """Return a budget in one way of writing it, so that `1 per 720h` is `1 per 30d`."""
    try:
        found = parse_budget(value)
    except (ConfigError, OverflowError):
        found = None
    if found is None or not math.isfinite(found.pages):
        raise not_allowed("not a budget of false pages", ["1 per 30d", "2 per 7d"])
    try:
        plain = parse_budget(str(found)) == found
    except ConfigError:
        plain = False
    return str(found) if plain else str(value)


BudgetText = Annotated[str, BeforeValidator(_budget)]


class Alarm(Section):
    """How many false pages are allowed in how long, over all that is watched of the model.

    What deviates in the columns of `digest_only` (names or globs) pages nobody, and takes no part
    in the budget; limits of the file's own and hard contracts on them still page.
    """

    budget: BudgetText = DEFAULT_BUDGET
    digest_only: Names = ()

    @property
    def allowed(self) -> Budget:
        """The budget as numbers."""
        return parse_budget(self.budget)

    @property
    def stated(self) -> bool:
        """Whether the file itself names a budget, so that no share of the fleet's replaces it."""
        return "budget" in self.model_fields_set


class Event(Section):
    """A span that is known to be unusual: what only deviates from the usual goes to the digest."""

    name: str = Field(min_length=1)
    start: Moment
    end: Moment
    do: Literal["digest_only"] = "digest_only"
    reference: Literal["exclude", "include"] = "exclude"
