"""The fleet: one budget split among models, and one broken column that is told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_config import SMALL, small

from monitoring_sdk.alarms.budget import parse_budget
from monitoring_sdk.alarms.judging import Budget
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.errors import ConfigError
from monitoring_sdk.fleet import (
    Broken,
    FleetConfig,
    Member,
    effective,
    group,
    load_fleet,
    parse_fleet,
)
from monitoring_sdk.report import Incident
from monitoring_sdk.stages.checking import check_monitor
from monitoring_sdk.stages.fleet import budget_of
from monitoring_sdk.stages.handle import find_config
from monitoring_sdk.yaml_file import YAML

SPLIT = {1: 0.5, 2: 0.3, 3: 0.2}


def model(name: str, tier: int = 1, budget: str | None = None) -> MonitorConfig:
    own = {} if budget is None else {"alarm": {"budget": budget}}
    return small(model=name, owner={"tier": tier}, **own)


def budgets(fleet: FleetConfig | None, *configs: MonitorConfig) -> dict[str, str]:
    members = [Member.of(c) for c in configs]
    return {c.model: str(effective(c, fleet, members)) for c in configs}


# --- The file -------------------------------------------------------------------------------------


def test_the_file_and_its_defaults(tmp_path: Path):
    (tmp_path / "_fleet.yaml").write_text(
        "budget: 4 per 30d\nsplit: {1: 0.5, 2: 0.3, 3: 0.2}\ngroup: {within: 2h}\n"
    )
    found = load_fleet(tmp_path)
    assert found is not None
    assert (found.budget, found.split) == ("4 per 30d", SPLIT)
    assert found.group.within == timedelta(hours=2)
    plain = parse_fleet({})
    assert (plain.budget, plain.split, plain.group.within) == (None, {}, timedelta(hours=1))
    assert load_fleet(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"budgets": 1}, "budgets: unknown key: got 'budgets'; allowed: budget, split, group, "
         "alerts; did you mean budget?"),
        ({"budget": "4"}, "budget: not a budget of false pages: got '4'; "
         "allowed: 1 per 30d, 2 per 7d"),
        ({"budget": "4 per 30d", "split": {1: 2}},
         "split.1: input should be less than or equal to 1: got 2"),
        ({"budget": "4 per 30d", "split": {1: 0.9, 2: 0.2}},
         "split: the shares come to 1.1, more than the whole (1)"),
        ({"split": {1: 1}}, "split needs a budget that it splits"),
        ({"group": {"within": "soon"}},
         "group.within: not a length of time: got 'soon'; allowed: 15min, 8h, 2d"),
        ({"budget": "${NO_SUCH} per 30d"}, "budget: the environment variable NO_SUCH is not set"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file(data: dict[str, Any], fault: str):
    with pytest.raises(ConfigError) as caught:
        parse_fleet(data, "f")
    assert f"f: {fault}" in caught.value.problems


# --- Whose budget is what -------------------------------------------------------------------------


def test_without_a_fleet_or_its_budget_each_has_its_own():
    models = model("a"), model("b", budget="3 per 7d")
    for fleet in (None, parse_fleet({})):
        assert budgets(fleet, *models) == {"a": "1 per 30d", "b": "3 per 7d"}


def test_every_model_has_an_equal_share():
    fleet = parse_fleet({"budget": "4 per 60d"})
    assert budgets(fleet, model("a"), model("b", 2)) == {"a": "2 per 60d", "b": "2 per 60d"}


def test_a_tier_s_share_is_split_among_its_models():
    fleet = parse_fleet({"budget": "4 per 30d", "split": SPLIT})
    found = budgets(fleet, model("a", 1), model("b", 2), model("c", 2), model("d", 3))
    assert found == {"a": "2 per 30d", "b": "0.6 per 30d", "c": "0.6 per 30d", "d": "0.8 per 30d"}


def test_what_a_model_states_is_kept_and_taken_off():
    fleet = parse_fleet({"budget": "4 per 30d"})
    found = budgets(fleet, model("a", budget="1 per 15d"), model("b"), model("c"))
    assert found == {"a": "1 per 15d", "b": "1 per 30d", "c": "1 per 30d"}


def test_a_model_of_no_fleet_has_its_own():
    fleet = parse_fleet({"budget": "4 per 30d"})
    assert str(effective(model("a"), fleet, [Member("b")])) == "1 per 30d"


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([("b", "3 per 30d"), ("c", "1 per 30d")], "leaves nothing for the other 1 of"),
        ([("b", "9 per 30d")], "leaves nothing for the other 1 of"),
    ],
)
def test_nothing_left_names_the_sums(others: list[tuple[str, str]], words: str):
    fleet = parse_fleet({"budget": "4 per 30d"})
    with pytest.raises(ConfigError, match=words) as caught:
        budgets(fleet, model("a"), *(model(n, budget=b) for n, b in others))
    assert all(f"{n} {b}" in str(caught.value) for n, b in others)
    assert "the fleet's 4 per 30d" in str(caught.value)


def test_more_stated_than_there_is_stops_those_too_who_state_theirs():
    fleet = parse_fleet({"budget": "1 per 30d"})
    with pytest.raises(ConfigError, match="comes to 2 per 30d, which is more than the fleet's 1"):
        budgets(fleet, model("a", budget="2 per 30d"))
    # All of it is theirs, and nobody else is there.
    assert budgets(fleet, model("a", budget="1 per 30d")) == {"a": "1 per 30d"}


def test_a_tier_without_a_share_is_named():
    fleet = parse_fleet({"budget": "4 per 30d", "split": {1: 0.5, 2: 0.5}})
    with pytest.raises(ConfigError, match=r"no share for tier 3 \(owner.tier of a\); has: 1, 2"):
        budgets(fleet, model("a", 3))


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.none() | st.integers(1, 9).map("{} per 900d".format)),
        min_size=1, max_size=12,
    ),
    st.booleans(),
)  # fmt: skip
def test_all_budgets_together_are_no_more_than_the_fleet_s(
    models: list[tuple[int, str | None]], split: bool
):
    fleet = parse_fleet({"budget": "4 per 30d", **({"split": SPLIT} if split else {})})
    configs = [model(f"m{i}", tier, budget) for i, (tier, budget) in enumerate(models)]
    members = [Member.of(c) for c in configs]
    found = [effective(c, fleet, members) for c in configs]
    total = sum(b.pages / b.period.days for b in found) * 30
    assert total <= 4 + 1e-9
    if not split and any(budget is None for _, budget in models):
        assert total == pytest.approx(4)


# --- The folder -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MONITORING_MONITORS", str(tmp_path))
    monkeypatch.setenv("MONITORING_BASELINES", str(tmp_path / "baselines"))
    return tmp_path


def write(folder: Path, name: str, **sections: Any) -> Path:
    path = folder / f"{name}.yaml"
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump({**SMALL, "model": name, **sections}, file)
    return path


def test_the_budget_of_a_folder_s_models(folder: Path):
    for name in ("a", "b"):
        write(folder, name)
    write(folder, "c", alarm={"budget": "2 per 30d"})
    assert budget_of(find_config("a")[0]) == parse_budget("1 per 30d")
    (folder / "_fleet.yaml").write_text("budget: 6 per 30d\n")
    assert budget_of(find_config("a")[0]) == Budget(2.0, timedelta(days=30))
    assert budget_of(find_config("c")[0]) == parse_budget("2 per 30d")
    # A file that cannot be read is a model all the same.
    (folder / "d.yaml").write_text("model: [")
    assert budget_of(find_config("a")[0]).pages == pytest.approx(4 / 3)
    # A file that changed is read again.
    write(folder, "d", alarm={"budget": "3 per 30d"})
    assert budget_of(find_config("a")[0]).pages == pytest.approx(0.5)


def test_a_wrong_fleet_stops_a_run_and_check_shows_it(folder: Path):
    path = write(folder, "a")
    (folder / "_fleet.yaml").write_text("budget: plenty\ngrup: {}\n")
    for name in ("a", str(path)):
        with pytest.raises(ConfigError) as caught:
            find_config(name)
        assert [p.split(": ")[1] for p in caught.value.problems] == ["budget", "grup"]
    found = check_monitor(path)
    assert found.wrong_file
    assert any("_fleet.yaml: budget: not a budget" in p for p in found.problems)


def test_check_says_which_budget_holds(folder: Path):
    path = write(folder, "a", alarm={"budget": "2 per 30d"})
    write(folder, "b")
    assert "alarm budget: 2 per 30d" in check_monitor(path).found
    (folder / "_fleet.yaml").write_text("budget: 2 per 30d\n")
    assert any("leaves nothing for the other 1" in p for p in check_monitor(path).problems)


def test_a_fleet_s_file_that_is_no_mapping(folder: Path):
    (folder / "_fleet.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="starting with `budget:`"):
        load_fleet(folder)


# --- Which incidents are one ----------------------------------------------------------------------

T = datetime(2024, 3, 31, tzinfo=UTC)
CUSTOMERS = "s3://features/customers"


def broken(name: str, minutes: int, *columns: str, source: str = CUSTOMERS) -> Broken:
    incident = Incident(f"i-{name}-{minutes}", name, T + timedelta(minutes=minutes))
    return Broken(incident, frozenset((source, c) for c in columns))


def models(*found: Broken, minutes: int = 60) -> list[tuple[str, ...]]:
    return [g.models for g in group(found, timedelta(minutes=minutes))]


def test_a_column_of_one_source_groups_what_opened_within_the_time():
    apart = [broken("c", 61, "age"), broken("b", 60, "age", "income"), broken("a", 0, "age", "x")]
    assert models(*apart) == [("a", "b")]
    assert models(*apart, minutes=61) == [("a", "b", "c")]
    (found,) = group(apart, timedelta(hours=2))
    assert found.columns == ("age",)
    assert found.to_dict() == {
        "models": ["a", "b", "c"],
        "columns": ["age"],
        "opened": "2024-03-31T00:00:00Z",
        "incidents": ["i-a-0", "i-b-60", "i-c-61"],
    }


def test_what_shares_no_column_or_no_source_is_no_group():
    assert models(broken("a", 0, "age"), broken("b", 0, "income")) == []
    assert models(broken("a", 0, "age"), broken("b", 0, "age", source="other")) == []
    assert models(broken("a", 0), broken("b", 0)) == []
    # All of a group share one column: a chain of pairs is none.
    chain = broken("a", 0, "x"), broken("b", 1, "x", "y"), broken("c", 2, "y")
    assert models(*chain) == [("a", "b")]


def test_a_model_that_opens_twice_is_in_a_group_once():
    assert models(broken("a", 0, "x"), broken("a", 30, "x"), broken("b", 40, "x")) == [("a", "b")]


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 300), st.sampled_from("xyz"))),
    st.randoms(),
)
def test_groups_do_not_depend_on_the_order_of_coming(found: list[Any], chance: Any):
    made = list({f[:2]: broken(*f) for f in found}.values())
    groups = group(made, timedelta(hours=1))
    chance.shuffle(made)
    assert group(made, timedelta(hours=1)) == groups
    seen = [i.id for g in groups for i in g.incidents]
    assert len(seen) == len(set(seen))
    for each in groups:
        opened = [i.opened for i in each.incidents]
        assert opened == sorted(opened)
        assert opened[-1] - opened[0] <= timedelta(hours=1)
