"""What the code may not do: unpickle, evaluate texts, use a shell, write outside of its folders."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from monitoring_sdk import ModelMonitor
from monitoring_sdk.adapters import log_files
from monitoring_sdk.config import parse_config
from monitoring_sdk.errors import ConfigError

ROOT = Path(__file__).parent.parent
SOURCES = [
    p
    for top in ("monitoring_sdk", "tasks", "flows", "examples")
    for p in sorted((ROOT / top).rglob("*.py"))
]
UNPICKLERS = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
PICKLING_CALLS = {"read_pickle", "to_pickle", "load_pickle"}
EVALUATING = {"eval", "exec", "compile"}


def forbidden(tree: ast.AST) -> list[str]:
    """Name what a module does that it may not do."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in UNPICKLERS]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            found.append(str(node.module))
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else None
        method = node.func.attr if isinstance(node.func, ast.Attribute) else None
        owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if name in EVALUATING or method in PICKLING_CALLS:
            found.append(str(name or method))
        if method == "load" and owner in ("np", "numpy", "yaml", "torch"):
            found.append(f"{owner}.load")
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            if keyword.arg in ("allow_pickle", "shell") and value is not False:
                found.append(f"{keyword.arg}={value}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    assert forbidden(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "eval(text)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_the_look_above_finds_what_it_looks_for(text: str) -> None:
    assert forbidden(ast.parse(text))


def test_the_linter_looks_for_unpickling_too() -> None:
    chosen = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"]
    assert "S301" in chosen


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".hidden", "", "a\\b", "a\nb", "/etc/x"])
def test_a_models_name_cannot_leave_a_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Baselines, reports, charts and logs are named after the model, and after nothing else."""
    monkeypatch.chdir(tmp_path)
    document = {
        "model": name,
        "source": {"predictions": "p.parquet"},
        "columns": {"timestamp": "t", "prediction": "p"},
    }
    with pytest.raises(ConfigError, match="model"):
        parse_config(document)
    with pytest.raises(ConfigError, match="not a model's name"):
        ModelMonitor(model=name)
    assert list(tmp_path.iterdir()) == []


def test_days_behind_a_link_are_not_removed(tmp_path: Path) -> None:
    """What lies elsewhere, and is only linked into the log, is not the log's."""
    from datetime import UTC, datetime

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.parquet").write_bytes(b"")
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "date=2024-01-01").symlink_to(tmp_path / "elsewhere")
    assert not log_files.remove_days(tmp_path / "log", datetime(2030, 1, 1, tzinfo=UTC))
    assert (tmp_path / "elsewhere" / "a.parquet").exists()
