"""Feedback: what is kept, what it changes at once, and what later decisions make of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from feedback_model import (
    HOUR,
    MODEL,
    NOW,
    decide,
    only_incident,
    rows,
    told,
    window,
    write_monitor,
)

from monitoring_sdk.adapters.store import Store, open_store
from monitoring_sdk.config import MonitorConfig
from monitoring_sdk.decision import message_id
from monitoring_sdk.errors import ConfigError, MonitoringError, StoreError
from monitoring_sdk.feedback import Epoch, Feedback, false_alarms, silenced_until
from monitoring_sdk.stages import feedback


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MonitorConfig:
    """The model's monitor file, in the folder of monitors."""
    return write_monitor(tmp_path, monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store of this test's own."""
    opened = open_store(f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.close()


def quiet(store: Store, start=NOW, length=6 * HOUR, by: str = "ann") -> Feedback:
    """Silence the model."""
    return feedback.silence(store, MODEL, length, said_by=by, now=start, reason="release")


def say(store: Store, kind, **changed) -> feedback.Effect:
    """Say something about the newest incident."""
    newest = store.incidents(MODEL)[-1]
    return feedback.say(store, newest, kind, **{"said_by": "ann", "now": NOW, **changed})


class TestStore:
    def test_what_was_said_is_read_back_oldest_first(self, config, store):
        decide(config, store, 1, "drift")
        incident = only_incident(store)
        late = Feedback(MODEL, "ack", "bob", NOW + HOUR, incident.id, None, "at it")
        early = Feedback(MODEL, "silence", "ann", NOW, until=NOW + HOUR, reason="release")
        assert store.say(late)
        assert store.say(early)
        assert store.say(Feedback("other", "silence", "ann", NOW, until=NOW))
        assert store.feedback(MODEL) == [early, late]
        assert len(store.feedback()) == 3
        assert store.models() == ["other", MODEL]

    def test_the_same_is_kept_once(self, config, store):
        decide(config, store, 1, "drift")
        said = Feedback(MODEL, "ack", "ann", NOW, only_incident(store).id)
        assert store.say(said)
        assert not store.say(Feedback(MODEL, "ack", "bob", NOW + HOUR, said.incident))
        assert store.feedback(MODEL) == [said]
        silence = Feedback(MODEL, "silence", "ann", NOW, until=NOW + HOUR)
        assert [store.say(silence), store.say(silence)] == [True, False]
        assert store.say(Feedback(MODEL, "silence", "ann", NOW + HOUR, until=NOW + 2 * HOUR))

    def test_of_an_incident_that_is_not_there_nothing_is_kept(self, store):
        with pytest.raises(StoreError):
            store.say(Feedback(MODEL, "ack", "ann", NOW, "none"))
        assert store.feedback() == []

    def test_an_epoch_is_kept_once(self, config, store):
        first = Epoch(MODEL, window(config, 3).start, "v1", ("drift",), "new prices")
        every = Epoch(MODEL, window(config, 5).start, "v2", None, None)
        with store.deciding(MODEL, holder="a", now=NOW) as tx:
            assert tx.start_epoch(every)
            assert tx.start_epoch(first)
            assert not tx.start_epoch(Epoch(MODEL, first.valid_from, "v9", None, None))
            assert tx.epochs() == [first, every]
        assert store.epochs(MODEL) == [first, every]
        assert store.epochs("other") == []

    def test_another_model_is_refused(self, config, store):
        with store.deciding(MODEL, holder="a", now=NOW) as tx:
            with pytest.raises(StoreError, match="feedback on other under the lease of shop"):
                tx.say(Feedback("other", "silence", "ann", NOW, until=NOW))
            with pytest.raises(StoreError, match="an epoch on other"):
                tx.start_epoch(Epoch("other", NOW, "v1", None, None))

    def test_who_lost_the_lease_says_nothing(self, config, store):
        def late() -> None:
            with store.deciding(MODEL, holder="a", now=NOW) as tx:
                tx._fence -= 1
                tx.say(Feedback(MODEL, "silence", "ann", NOW, until=NOW + HOUR))

        with pytest.raises(StoreError, match="another worker took the lease"):
            late()
        assert store.feedback() == []


class TestAck:
    def test_it_stops_retraining_and_families_that_join_but_not_the_end(self, config, store):
        decide(config, store, 1, "quality")
        assert say(store, "ack").said is not None
        decide(config, store, 2, "quality", "drift")
        decide(config, store, 3, "drift")
        assert set(only_incident(store).families) == {"quality", "drift"}
        assert store.triggers(MODEL) == []
        for number in (4, 5, 6):
            decide(config, store, number)
        assert only_incident(store).closed == window(config, 6).end
        assert told(store) == ["opened", "closed"]

    def test_without_it_both_happen(self, config, store):
        decide(config, store, 1, "prediction")
        decide(config, store, 2, "drift")
        assert told(store) == ["opened", "joined:drift", "trigger"]
        assert [t.window_end for t in store.triggers(MODEL)] == [window(config, 2).end]

    def test_the_next_incident_triggers_again(self, config, store):
        decide(config, store, 1, "prediction")
        say(store, "ack")
        for number in (2, 3, 4):
            decide(config, store, number)
        decide(config, store, 5, "drift")
        (trigger,) = store.triggers(MODEL)
        assert trigger.incident == store.incidents(MODEL)[-1].id


class TestFalseAlarm:
    def test_it_closes_at_the_newest_decided_window_and_that_is_told(self, config, store):
        decide(config, store, 1, "prediction")
        decide(config, store, 2)
        effect = say(store, "false_alarm", reason="a test feed")
        assert effect.incident.closed == only_incident(store).closed == window(config, 2).end
        assert false_alarms(store.feedback(MODEL)) == {effect.incident.id}
        assert told(store) == ["opened"]
        decide(config, store, 3)
        assert told(store) == ["opened", "closed"]
        assert store.epochs(MODEL) == []

    def test_the_next_alert_opens_another(self, config, store):
        decide(config, store, 1, "prediction")
        say(store, "false_alarm")
        decide(config, store, 2, "prediction")
        first, second = store.incidents(MODEL)
        assert (first.closed, second.opened) == (window(config, 1).end, window(config, 2).end)
        assert told(store) == ["opened", "closed", "opened"]
        assert say(store, "false_alarm").said is not None

    def test_one_that_is_closed_stays_as_it_is(self, config, store):
        for number, families in enumerate((["drift"], [], [], [], []), start=1):
            decide(config, store, number, *families)
        before = only_incident(store)
        assert before.closed == window(config, 4).end
        say(store, "false_alarm")
        assert only_incident(store) == before
        assert false_alarms(store.feedback()) == {before.id}


class TestExpectedChange:
    def test_it_closes_and_starts_an_epoch_at_the_opening_window(self, config, store):
        decide(config, store, 9, "prediction")
        # The 10th has 23 hours: the start is the calendar's, not a day before the end.
        decide(config, store, 10, "prediction", "drift", notify=False)
        say(store, "expected_change", reason="new prices")
        (epoch,) = store.epochs(MODEL)
        assert epoch == Epoch(
            MODEL, window(config, 9).start, "v1", ("prediction", "drift"), "new prices"
        )
        assert only_incident(store).closed == window(config, 10).end

    def test_on_a_short_day_the_window_starts_where_it_did(self, config, store):
        decide(config, store, 10, "drift")
        assert window(config, 10).end - window(config, 10).start == timedelta(hours=23)
        say(store, "expected_change")
        assert store.epochs(MODEL)[0].valid_from == window(config, 10).start

    def test_saying_it_again_changes_nothing(self, config, store):
        decide(config, store, 1, "drift")
        say(store, "expected_change", reason="first")
        before = store.incidents(), store.feedback(), store.epochs(MODEL)
        decide(config, store, 2)
        again = say(store, "expected_change", reason="second", said_by="bob", now=NOW + HOUR)
        assert again.said is None
        assert (store.incidents(), store.feedback(), store.epochs(MODEL)) == before

    def test_it_may_follow_a_false_alarm_but_not_the_other_way_round(self, config, store):
        decide(config, store, 1, "drift")
        say(store, "false_alarm")
        say(store, "expected_change")
        assert false_alarms(store.feedback()) == frozenset()
        decide(config, store, 2, "drift")
        say(store, "expected_change")
        with pytest.raises(ConfigError, match="ann declared it an expected change on 2024-07-01"):
            say(store, "false_alarm")
        assert len(store.epochs(MODEL)) == 2
        assert len(store.feedback()) == 3

    def test_without_a_monitor_file_nothing_is_changed(self, config, store, tmp_path):
        decide(config, store, 1, "drift")
        (tmp_path / "monitors" / f"{MODEL}.yaml").unlink()
        with pytest.raises(ConfigError, match="no monitor file for this model"):
            say(store, "expected_change")
        assert store.feedback() == []
        assert only_incident(store).closed is None
        assert say(store, "ack").said is not None

    def test_without_a_baseline_no_epoch_starts_and_nothing_is_kept(self, config, store):
        decide(config, store, 1, "drift")
        incident = only_incident(store)
        with store._writing("test") as connection:
            connection.exec_driver_sql("UPDATE result SET baseline = ''")
        with pytest.raises(MonitoringError, match="no epoch can start"):
            feedback.say(store, incident, "expected_change", said_by="ann", now=NOW)
        assert store.feedback() == []
        assert only_incident(store).closed is None


class TestSilence:
    def test_no_message_is_made_and_all_else_is_kept(self, config, store):
        quiet(store)
        decide(config, store, 1, "drift", now=NOW + HOUR)
        assert only_incident(store).families == ("drift",)
        assert len(store.results(MODEL)) == 1
        assert len(store.triggers(MODEL)) == 1
        assert told(store) == ["trigger"]

    def test_what_is_still_open_is_told_by_the_first_decision_after_it(self, config, store):
        quiet(store)
        decide(config, store, 1, "drift", now=NOW + HOUR)
        decide(config, store, 2, "drift", "prediction", now=NOW + 2 * HOUR)
        decide(config, store, 3, "drift", now=NOW + 6 * HOUR)
        decide(config, store, 4, "drift", now=NOW + 7 * HOUR)
        assert told(store) == ["trigger", "opened"]
        message = rows(store)[-1].message
        assert message.id == message_id(MODEL, only_incident(store).id, "opened")
        assert only_incident(store).id[:8] in str(message.payload["blocks"])
        decide(config, store, 5, "drift", "estimate", now=NOW + 8 * HOUR)
        assert told(store) == ["trigger", "opened", "joined:estimate"]

    def test_of_one_that_came_and_went_nobody_is_told(self, config, store):
        quiet(store)
        decide(config, store, 1, "prediction", now=NOW)
        for number in (2, 3):
            decide(config, store, number, now=NOW + HOUR)
        decide(config, store, 4, now=NOW + 7 * HOUR)
        decide(config, store, 5, now=NOW + 8 * HOUR)
        assert only_incident(store).closed == window(config, 4).end
        assert told(store) == []

    def test_an_end_that_it_kept_back_is_told_after_it(self, config, store):
        decide(config, store, 1, "prediction")
        quiet(store)
        for number in (2, 3, 4):
            decide(config, store, number, now=NOW + HOUR)
        assert told(store) == ["opened"]
        decide(config, store, 5, now=NOW + 7 * HOUR)
        decide(config, store, 6, now=NOW + 8 * HOUR)
        assert told(store) == ["opened", "closed"]
        closing = rows(store)[-1].message.payload["text"]
        assert closing == "shop: incident closed after 3 days (opened 2024-03-02)"

    def test_the_newest_word_counts(self, config, store):
        quiet(store)
        ended = quiet(store, NOW + HOUR, timedelta())
        said = store.feedback(MODEL)
        assert silenced_until(said, NOW) == NOW + 6 * HOUR
        assert silenced_until(said, ended.said) is None
        decide(config, store, 1, "prediction", now=NOW + 2 * HOUR)
        assert told(store) == ["opened"]

    def test_it_is_judged_by_the_clock_and_not_by_logical_time(self, config, store):
        """The windows of March are decided in July: only a silence of July holds them back."""
        quiet(store, window(config, 1).start, timedelta(days=9))
        decide(config, store, 1, "prediction")
        assert told(store) == ["opened"]

    def test_of_one_that_is_acknowledged_meanwhile_nobody_is_told(self, config, store):
        quiet(store)
        decide(config, store, 1, "prediction", now=NOW)
        say(store, "ack", now=NOW + HOUR)
        for number in (2, 3, 4, 5):
            decide(config, store, number, now=NOW + 7 * HOUR)
        assert told(store) == []

    def test_other_models_are_not_silenced(self, config, store):
        feedback.silence(store, "other", HOUR, said_by="ann", now=NOW, reason="x")
        decide(config, store, 1, "prediction")
        assert told(store) == ["opened"]


def test_a_live_run_tells_of_what_a_backfill_left_open(config, store):
    decide(config, store, 1, "prediction", notify=False)
    assert told(store) == []
    decide(config, store, 2, "prediction")
    assert told(store) == ["opened"]


class TestFinding:
    def test_a_beginning_of_six_characters_will_do(self, config, store):
        decide(config, store, 1, "drift")
        incident = only_incident(store)
        assert feedback.find_incident(store, incident.id[:6].upper()) == incident
        assert feedback.find_incident(store, f" {incident.id} ") == incident
        with pytest.raises(ConfigError, match="needs 6 characters: got"):
            feedback.find_incident(store, incident.id[:5])

    def test_an_unknown_one_names_the_newest(self, config, store):
        with pytest.raises(ConfigError, match="there is none in the store"):
            feedback.find_incident(store, "abcdef")
        decide(config, store, 1, "drift")
        wrong = "0" + only_incident(store).id[1:]
        with pytest.raises(ConfigError, match=f"did you mean {only_incident(store).id}"):
            feedback.find_incident(store, wrong)

    def test_an_ambiguous_one_is_refused(self, config, store):
        decide(config, store, 1, "drift")
        say(store, "false_alarm")
        decide(config, store, 2, "drift")
        ids = [i.id for i in store.incidents()]
        with store._writing("test") as connection:
            for number, identity in enumerate(ids):
                connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
                for table, column in (("feedback", "incident"), ("trigger", "incident")):
                    connection.exec_driver_sql(
                        f"UPDATE {table} SET {column} = 'abcdef{number}' "
                        f"WHERE {column} = '{identity}'"
                    )
                connection.exec_driver_sql(
                    f"UPDATE incident SET id = 'abcdef{number}' WHERE id = '{identity}'"
                )
        with pytest.raises(ConfigError, match=r"several incidents begin so.*abcdef0, abcdef1"):
            feedback.find_incident(store, "abcdef")
        assert feedback.find_incident(store, "abcdef1").id == "abcdef1"
