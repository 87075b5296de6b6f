"""What `import monitoring_sdk` brings, and that nothing heavy comes in by accident."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "prefect",
    "great_expectations",
    "slack_sdk",
    "sqlalchemy",
    "alembic",
    "altair",
    "jinja2",
    "sklearn",
)


def modules_after(statement: str) -> set[str]:
    """Return the top-level packages that a fresh Python has imported after a statement."""
    code = f"{statement}\nimport sys\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import monitoring_sdk",
        "from monitoring_sdk import ModelMonitor",
        "import monitoring_sdk.config, monitoring_sdk.evaluate, monitoring_sdk.window",
    ],
)
def test_the_face_is_light(statement: str) -> None:
    loaded = modules_after(statement)
    assert "monitoring_sdk" in loaded
    assert loaded.isdisjoint(HEAVY), sorted(loaded.intersection(HEAVY))


def test_the_probe_sees_what_is_imported() -> None:
    assert "jinja2" in modules_after("import jinja2")


def test_the_command_starts_without_prefect() -> None:
    assert modules_after("import monitoring_sdk.cli").isdisjoint(("prefect", "great_expectations"))
