"""The end of a process: logs are flushed, a fork begins anew, a child follows its parent."""

from __future__ import annotations

import atexit
import gc
import importlib
import multiprocessing
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

FLUSH_SECONDS = 10.0


class Watched(Protocol):
    """What is closed at the end, and told of a fork."""

    def close(self, timeout: float) -> bool: ...

    def after_fork(self) -> None: ...


FORK_SECONDS = 5.0

_watched: weakref.WeakSet[Any] = weakref.WeakSet()
_work = threading.Lock()
_held: list[bool] = []
_installed: set[str] = set()


def watch(writer: Watched) -> None:
    """Flush a writer at exit and on SIGTERM, for at most ten seconds together.

    A handler of SIGTERM that is there already is called afterwards, and without one the process
    ends by the signal as it would have. A handler can be set in the main thread only; elsewhere,
    and where the signal is ignored, exit alone flushes.
    """
    _watched.add(writer)
    if "exit" not in _installed:
        _installed.add("exit")
        atexit.register(close_all)
        _before_executors_end(close_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_fork
            )
    if "signal" not in _installed and threading.current_thread() is threading.main_thread():
        _installed.add("signal")
        _chain_sigterm()


def _before_executors_end(call: Callable[[], None]) -> None:
    """Call at exit while executors still take work: remote file systems look up names by them.

    Python has no public way: functions of `atexit` come after executors have ended. Without this
    one the rows stay in the spool, for the next process.
    """
    # Those that register later are called sooner: executors have registered by now.
    importlib.import_module("concurrent.futures.thread")
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(call)


def close_all() -> None:
    """Close every writer, within the seconds that there are."""
    until = time.monotonic() + FLUSH_SECONDS
    for writer in list(_watched):
        writer.close(max(0.1, until - time.monotonic()))


def working() -> threading.Lock:
    """Return the lock that a log's thread holds while it computes.

    A fork waits for it: a thread that is forked away in the midst of Arrow's work would leave
    Arrow's own locks taken for ever in the child.
    """
    return _work


def _before_fork() -> None:
    _held.append(_work.acquire(timeout=FORK_SECONDS))


def _after_in_parent() -> None:
    if _held.pop():
        _work.release()


def _after_fork() -> None:
    global _work
    _work = threading.Lock()
    _held.clear()
    for writer in list(_watched):
        writer.after_fork()


def _chain_sigterm() -> None:
    before = signal.getsignal(signal.SIGTERM)
    # None: set by other than Python, which cannot be called from here.
    if before is None or before == signal.SIG_IGN:
        return

    def on_sigterm(number: int, frame: Any) -> None:
        close_all()
        if callable(before):
            before(number, frame)
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, on_sigterm)


def end_with_parent() -> None:
    """See that this process ends when the one that started it does, even if that is killed."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def end_at_once() -> None:
    """Do not look for cycles among all that is kept when this process ends: half a second."""
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
