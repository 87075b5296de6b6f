"""The documents name what there is: every method, metric and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitoring_sdk.config import MonitorConfig, parse_config
from monitoring_sdk.drift.methods import METHODS
from monitoring_sdk.yaml_file import YAML

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", METHODS)
def test_every_drift_method_has_its_line(name: str):
    assert f"| `{name}` |" in (ROOT / "docs/drift.md").read_text()


@pytest.mark.parametrize("name", MonitorConfig.model_fields)
def test_every_key_of_a_monitor_file_is_explained(name: str):
    assert re.search(rf"^\| `{name}", (ROOT / "docs/configuration.md").read_text(), re.M)


def test_the_readmes_monitor_file_is_valid(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LABELS_DB", "sqlite:///labels.db")
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    text = "\n".join(line.removeprefix("   ") for line in block[1].splitlines())
    assert parse_config(YAML(typ="safe", pure=True).load(text)).model == "fraud"


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "SECURITY.md",
        "docs/architecture.md",
        "docs/configuration.md",
        "docs/feedback.md",
        "docs/privacy.md",
    ],
)
def test_links_between_pages_lead_somewhere(page: str):
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
