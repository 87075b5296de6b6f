"""What a command starts ends with it, even when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARENT = """
import subprocess, sys, time
from flows.run_local import end_with_this_process
child = subprocess.Popen(["sleep", "60"])
end_with_this_process(child.pid)
print(child.pid, flush=True)
time.sleep(60)
"""


def is_there(pid: int) -> bool:
    """Say whether a process runs: one that ended and was not yet reaped does not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return found.stdout.strip() not in ("", "Z", "Z+", "ZN")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is done there")
def test_what_a_killed_process_had_started_ends_with_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_there(child)
    time.sleep(0.5)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while is_there(child):
        assert time.monotonic() < deadline, "it was left behind"
        time.sleep(0.05)
