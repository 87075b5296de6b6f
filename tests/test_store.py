"""The store: one decision once, whoever else decides and whatever dies."""

import sqlite3
import threading
import time
from datetime import datetime, timedelta

import pytest
from conftest import on_sqlite
from deciding_worker import DECIDED, MODEL, NOW, START, check, day, decide, row, start

from monitoring_sdk.adapters.outbox import OPEN
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.decision import Decision, Message, message_id
from monitoring_sdk.errors import StoreError
from monitoring_sdk.report import Check, Incident, Trigger


@pytest.fixture
def store(store_url):
    store = open_store(store_url)
    yield store
    store.close()


def save(store, *rows, window=None, decides=False, **rest):
    with store.deciding(MODEL, holder="a", now=NOW) as tx:
        window = window or rows[0].window
        tx.save(Decision(MODEL, window, rows[0].as_of, rows, decides=decides, **rest))


def test_what_is_saved_is_read_back(store):
    checks = (
        Check(
            "drift", "psi", day(0), "alert", column="x", segment={"origin": "JFK"}, value=0.3,
            interval=(0.1, 0.5), p_value=0.01, effect=0.2, bound=0.0, threshold=0.25,
            threshold_from="user", direction="above", exceeded=True, n=912,
        ),
        Check("quality", "q", day(1), "error", severity="warning", reason="no column x"),
    )  # fmt: skip
    saved = row(0, checks, part="data", baseline=None, reason="why", rows=None)
    save(store, saved)
    (found,) = store.results(MODEL)
    assert found.checks == checks
    assert found.revision == 1
    assert {f: getattr(found, f) for f in saved.__slots__ if f != "revision"} == {
        f: getattr(saved, f) for f in saved.__slots__ if f != "revision"
    }


def test_incident_trigger_and_messages_are_read_back(store):
    assert decide(store, 0, (check(0),), hook={"command": ["true"]})
    (incident,) = store.incidents(MODEL)
    assert incident.families == ("performance",)
    assert incident.opened == day(0).end
    (trigger,) = store.triggers(MODEL)
    assert (trigger.incident, trigger.state) == (incident.id, "pending")
    assert [m.message.transition for m in store.messages()] == ["opened", "trigger"]
    assert store.messages()[0].message.payload["blocks"] == [{"type": "divider"}]
    assert store.decided_until(MODEL) == day(0).end
    assert store.incidents("other") == []


def test_the_same_key_is_stored_once(store):
    for value in (0.7, 0.9):
        save(store, row(0, (check(0, value=value),)))
    (found,) = store.results(MODEL, newest=False)
    assert found.checks[0].value == 0.7
    assert store.find(row(0, ())) == found
    assert store.find(row(0, (), fingerprint="g")) is None
    assert store.find(row(0, (), settings="t")) is None


def test_a_new_fingerprint_revises_and_history_keeps_both(store):
    save(store, row(0, (check(0, value=0.7),), "f"))
    save(store, row(0, (check(0, value=0.9),), "g", as_of=day(3).end))
    assert [(r.fingerprint, r.revision) for r in store.results(MODEL, newest=False)] == [
        ("f", 1),
        ("g", 2),
    ]
    assert [r.fingerprint for r in store.results(MODEL)] == ["g"]
    assert store.history(MODEL)["value"].tolist() == [0.9]


def test_labels_that_go_back_make_the_old_verdict_the_newest(store):
    save(store, row(0, (check(0, value=0.7),), "f"))
    save(store, row(0, (check(0, value=0.9),), "g", as_of=day(3).end))
    # A backfill that walks through the past again must not bring the old verdict back.
    save(store, row(0, (check(0, value=0.7),), "f"))
    assert [r.fingerprint for r in store.results(MODEL)] == ["g"]
    save(store, row(0, (check(0, value=0.7),), "f", as_of=day(4).end))
    assert [(r.fingerprint, r.revision) for r in store.results(MODEL)] == [("f", 3)]
    assert len(store.results(MODEL, newest=False)) == 2


def test_an_error_is_no_verdict_and_is_replaced(store):
    save(store, row(0, (), status="error", reason="no connection"))
    assert store.find(row(0, ())) is None
    save(store, row(0, (check(0),)))
    (found,) = store.results(MODEL, newest=False)
    assert (found.status, found.revision, len(found.checks)) == ("alert", 1, 1)


def test_results_are_cut_by_time_and_part(store):
    save(store, *(row(i, (check(i),), part=p) for i in range(4) for p in ("data", "performance")))
    found = store.results(MODEL, day(1).start, day(2).end, "data")
    assert [(r.window, r.part) for r in found] == [(day(1), "data"), (day(2), "data")]
    last = store.results(MODEL, end=day(2).end, limit=3)
    assert [(r.window, r.part) for r in last] == [
        (day(1), "performance"),
        (day(2), "data"),
        (day(2), "performance"),
    ]
    counted = store.rows_of_windows(MODEL, day(1).start, limit=2)
    assert counted == {r.window: r.rows for r in store.results(MODEL, part="data")[-2:]}
    assert list(counted) == [day(2), day(3)]
    with store.deciding(MODEL, holder="a", now=NOW) as tx:
        assert tx.result(day(2), "data").window == day(2)
        assert tx.result(day(9), "data") is None


def test_history_is_a_table_cut_by_key_time_and_count(store):
    rows = [
        row(i, (check(i, name="accuracy", value=i / 10), check(i, "undefined", "f1", float("nan"))))
        for i in range(5)
    ]
    save(store, *rows)
    table = store.history(MODEL)
    assert table["window_end"].is_monotonic_increasing
    assert len(table) == 10
    assert str(table["window_end"].dtype) == "datetime64[us, UTC]"
    assert table.loc[table["key"] == "performance/f1", "value"].isna().all()
    assert table["value"].dtype == "float64"
    cut = store.history(MODEL, ["performance/accuracy"], before=day(3).end, limit=2)
    assert cut["value"].tolist() == [0.2, 0.3]
    assert cut["window_start"].tolist() == [day(2).start, day(3).start]
    empty = store.history("other")
    assert list(empty.columns) == list(table.columns)
    assert (empty.dtypes == table.dtypes).all()


@on_sqlite
def test_history_of_many_windows_is_fast(store):
    checks = [tuple(check(i, "ok", f"m{j}", 0.1 * j) for j in range(200)) for i in range(300)]
    save(store, *(row(i, c) for i, c in enumerate(checks)))
    began = time.perf_counter()
    table = store.history(MODEL)
    took = time.perf_counter() - began
    assert len(table) == 60_000
    assert took < 2, f"{took:.2f} s"  # about 0.2 s on an idle machine


def test_windows_are_decided_in_order_and_once(store):
    assert decide(store, 1, (check(1),))
    assert not decide(store, 0, (check(0),))
    for i in (0, 1):
        with pytest.raises(StoreError, match="can only be revised"):
            save(store, row(i, (check(i),)), decides=True)
    assert [r.window for r in store.results(MODEL)] == [day(1)]
    save(store, row(0, (check(0),)), decides=False)
    assert store.decided_until(MODEL) == day(1).end


def test_a_crash_inside_a_decision_leaves_nothing(store):
    with pytest.raises(RuntimeError, match="crash"):  # noqa: PT012, SIM117
        with store.deciding(MODEL, holder="a", now=NOW) as tx:
            incident = Incident("i", MODEL, day(0).end, None, ("drift",))
            trigger = Trigger("t", MODEL, "i", "why", day(0).end)
            message = Message("x", "slack", MODEL, "i", "opened", {"channel": None, "text": ""})
            rows = (row(0, (check(0),)),)
            tx.save(Decision(MODEL, day(0), NOW, rows, incident, trigger, (message,)))
            assert tx.result(day(0), "performance") is not None
            raise RuntimeError("crash")
    assert store.decided_until(MODEL) is None
    assert store.results(MODEL) == store.incidents() == store.triggers() == store.messages() == []


def test_a_holder_who_lost_the_lease_writes_nothing(store):
    with pytest.raises(StoreError, match="took the lease"):  # noqa: PT012, SIM117
        with store.deciding(MODEL, holder="a", now=NOW) as tx:
            tx._fence -= 1  # as if another had taken it since
            tx.save(Decision(MODEL, day(0), NOW, (row(0, (check(0),)),)))
    assert store.results(MODEL) == []


def test_a_decision_on_another_model_is_refused(store):
    with (
        pytest.raises(StoreError, match="under the lease"),
        store.deciding("other", holder="a", now=NOW) as tx,
    ):
        tx.save(Decision(MODEL, day(0), NOW))


def assert_decided_once(store, answers):
    assert sorted(answers) == [False] * (len(answers) - 1) + [True]
    assert len(store.results(MODEL, newest=False)) == 1
    assert len(store.incidents()) == 1
    assert len(store.triggers()) == 1
    assert sorted(m.message.transition for m in store.messages()) == ["opened", "trigger"]


def test_threads_deciding_the_same_window_decide_it_once(store):
    answers, barrier = [], threading.Barrier(4)

    def work(n):
        barrier.wait()
        done = decide(store, 0, (check(0),), holder=str(n), hook={"command": ["true"]})
        answers.append(done)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert_decided_once(store, answers)


def test_processes_creating_and_deciding_at_once_decide_once(empty_url):
    workers = [start("decide", empty_url) for _ in range(3)]
    for worker in workers:
        worker.join(60)
    answers = [w.exitcode for w in workers]
    assert set(answers) <= {0, DECIDED}
    assert_decided_once(open_store(empty_url), [code == DECIDED for code in answers])


def test_a_message_is_claimed_by_one_until_its_claim_expires(store):
    decide(store, 0, (check(0),))
    ttl = timedelta(minutes=1)
    (mine,) = store.claim(NOW, "a", 10, ttl)
    assert not mine.ambiguous
    assert store.claim(NOW + ttl / 2, "b", 10, ttl) == []
    (theirs,) = store.claim(NOW + ttl, "b", 10, ttl)
    # The first holder may have sent it before it vanished.
    assert theirs.ambiguous
    assert not store.settle(mine, "sent", NOW + ttl)
    assert store.settle(theirs, "sent", NOW + ttl, receipt={"ts": "1"})
    (kept,) = store.messages("sent")
    assert (kept.receipt, kept.attempts) == ({"ts": "1"}, 1)
    assert store.claim(NOW + 9 * ttl, "c", 10, ttl) == []


def test_claims_race_without_taking_a_message_twice(store):
    decide(store, 0, (check(0),), hook={"command": ["true"]})
    taken, barrier = [], threading.Barrier(4)

    def work(n):
        barrier.wait()
        taken.extend(c.message.id for c in store.claim(NOW, str(n), 1, timedelta(minutes=1)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(taken) == 2
    assert len(set(taken)) == 2


def test_a_message_that_is_known_is_not_queued_again(store):
    decide(store, 0, (check(0),))
    (known,) = store.messages()
    (claimed,) = store.claim(NOW, "a", 1, timedelta(minutes=1))
    store.settle(claimed, "sent", NOW)
    save(store, row(0, (check(0),)), messages=(known.message,))
    assert [m.state for m in store.messages()] == ["sent"]
    assert known.message.id == message_id(MODEL, store.incidents()[0].id, "opened")
    assert store.messages(OPEN[0]) == []


def test_one_open_incident_a_model_is_held_by_the_database(store):
    decide(store, 0, (check(0),))
    second = Incident("another", MODEL, day(1).end)
    with pytest.raises(StoreError, match=r"(?i)unique"):
        save(store, row(1, (check(1),)), incident=second)
    assert len(store.incidents()) == 1


def test_outcomes_of_triggers(store):
    decide(store, 0, (check(0),))
    (trigger,) = store.triggers()
    with store.deciding(MODEL, holder="t", now=NOW) as tx:
        assert tx.answer(trigger.id, "kept", "accuracy 0.91", ["kept"])
        assert not tx.answer(trigger.id, "failed", "no", ["kept"])
        assert not tx.answer("nope", "kept", None, ())
    assert store.trigger(trigger.id) == store.triggers()[0]
    assert (store.triggers()[0].outcome, store.triggers()[0].state) == ("accuracy 0.91", "kept")
    assert store.trigger("nope") is None


def test_profiles_are_kept_by_key(store):
    store.save_profile(MODEL, day(0), "v1", "f", {"rows": 3, "mean": 0.1})
    store.save_profile(MODEL, day(0), "v1", "f", {"rows": 4})
    assert store.profile(MODEL, day(0), "v1", "f") == {"rows": 3, "mean": 0.1}
    assert store.profile(MODEL, day(0), "v1", "g") is None
    with pytest.raises(ValueError, match="JSON compliant"):
        store.save_profile(MODEL, day(1), "v1", "f", {"mean": float("nan")})


def test_a_naive_time_is_refused(store):
    with pytest.raises(StoreError, match="without an offset"):
        store.claim(datetime(2013, 6, 1), "a", 1, timedelta(minutes=1))


def test_incidents_are_cut_by_the_windows_that_opened_them(store):
    decide(store, 0, (check(0),))
    assert len(store.incidents(MODEL, START, day(0).end)) == 1
    assert store.incidents(MODEL, day(0).end, day(3).end) == []


def test_read_only_reads_and_writes_nothing(store_url, store, tmp_path):
    decide(store, 0, (check(0),))
    reader = open_store(store_url, read_only=True)
    assert len(reader.results(MODEL)) == 1
    with pytest.raises(StoreError, match=r"read-?only"):
        decide(reader, 1, (check(1),))
    with pytest.raises(StoreError, match="there is no store yet"):
        open_store(f"sqlite:///{tmp_path}/none/store.db", read_only=True)
    assert not (tmp_path / "none").exists()


def test_sqlite_is_set_up_for_several_processes(tmp_path):
    path = tmp_path / "s.db"
    store = open_store(f"sqlite:///{path}")
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with store._engine.connect() as connection:
        pragma = {n: connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in
                  ("busy_timeout", "foreign_keys")}  # fmt: skip
    assert pragma == {"busy_timeout": 30_000, "foreign_keys": 1}


def test_a_password_is_never_shown():
    url = "postgresql://someone:hunter2secret@127.0.0.1:1/db?sslpassword=hunter3secret"
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "someone:***@127.0.0.1:1/db" in str(caught.value)
    assert "hunter" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(StoreError) as caught:
        open_store("hunter2secret@@nowhere")
    assert "hunter" not in str(caught.value)
    with pytest.raises(StoreError, match="allowed: sqlite, postgresql"):
        open_store("mysql://u:hunter2secret@h/db")


def test_a_forked_process_opens_its_own_connection(store):
    decide(store, 0, (check(0),))
    with store._engine.connect() as connection:
        parents = connection.connection.dbapi_connection
        # As a child sees it: the connection is of a process with another id.
        connection.connection.info["pid"] = -1
    with store._engine.connect() as connection:
        assert connection.connection.dbapi_connection is not parents
    with store._engine.connect() as connection:
        own = connection.connection.dbapi_connection
    with store._engine.connect() as connection:
        assert connection.connection.dbapi_connection is own
