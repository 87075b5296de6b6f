"""Baselines, monitor files and reports behind URLs: in memory, and on a server that speaks S3."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from conftest import name_s3
from small_model import MODEL, day, write_small_model

from monitoring_sdk import stages
from monitoring_sdk.adapters import baselines, folders, samples
from monitoring_sdk.adapters.store import open_store
from monitoring_sdk.errors import BaselineError, ConfigError, MonitoringError
from monitoring_sdk.stages.status import monitored_models

NOW = datetime(2024, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    config, _ = stages.find_config(write_small_model(folder, sys.executable))
    stages.build_baseline(config, now=NOW, root=str(folder / "baselines"))
    return folder


@pytest.fixture
def place(remote: str, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Let baselines, monitor files and reports lie in the remote folder."""
    for name in ("BASELINES", "MONITORS", "REPORTS"):
        monkeypatch.setenv(f"MONITORING_{name}", f"{remote}/{name.lower()}")
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{tmp_path}/store.db")
    text = (small / "monitors" / f"{MODEL}.yaml").read_bytes()
    folders.write(folders.folder(remote) / "monitors" / f"{MODEL}.yaml", text)
    return remote


def test_a_window_is_looked_at_with_all_that_is_kept_behind_urls(place: str, small: Path) -> None:
    config, path = stages.find_config(MODEL)
    assert str(path) == f"{place}/monitors/{MODEL}.yaml"
    built = baselines.load(str(small / "baselines"), MODEL)
    assert baselines.save(built, baselines.baselines_root()).version == "v1"
    assert samples.read_sample(MODEL, "v1") is None
    samples.write_sample(MODEL, "v1", pa.table({"size": [1.0]}))
    assert samples.read_sample(MODEL, "v1") == pa.table({"size": [1.0]})
    store = open_store()
    window = config.cadence.ending(day(24))
    assert stages.evaluate_window(config, window, day(24), store).baseline == "v1"
    published = stages.publish(config, store)
    assert published.link == f"{place}/reports/{MODEL}.html"
    assert b"</html>" in published.path.read_bytes()
    (known,) = monitored_models(store)
    assert (known.model, known.problems) == (MODEL, ())
    store.close()


def test_a_version_appears_whole_or_not_at_all(
    remote: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = baselines.load(str(small / "baselines"), MODEL)
    put = folders.write

    def dies(path: Path, content: bytes) -> None:
        if path.name == baselines.CHECKSUMS:
            raise MemoryError("killed")
        put(path, content)

    monkeypatch.setattr(folders, "write", dies)
    with pytest.raises(BaselineError, match="MemoryError"):
        baselines.save(local, remote)
    assert baselines.versions(remote, MODEL) == []
    with pytest.raises(BaselineError, match="no baseline in"):
        baselines.load(remote, MODEL)
    monkeypatch.undo()


def test_a_version_is_nobody_elses_and_never_changes(remote: str, small: Path) -> None:
    local = baselines.load(str(small / "baselines"), MODEL)
    assert [baselines.save(local, remote).version for _ in range(2)] == ["v1", "v2"]
    again = baselines.load(remote, MODEL, "v1")
    assert again.profile.to_dict() == local.profile.to_dict()
    folder = folders.folder(remote) / MODEL / "v2"
    assert not folders.create(folder / baselines.CLAIM, b"another")
    name = next(p.name for p in folder.iterdir() if p.suffix == ".csv")
    folders.write(folder / name, (folder / name).read_bytes() + b"\n")
    with pytest.raises(BaselineError, match=f"{name} was changed after it was built"):
        baselines.load(remote, MODEL, "v2")


def test_a_password_in_a_url_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="a user or password does not belong") as caught:
        baselines.versions("ftp://me:hunter2@127.0.0.1/b", MODEL)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_kind_and_a_server_that_is_away_are_one_error_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match="MONITORING_BASELINES: s33://b"):
        baselines.versions("s33://b", MODEL)
    pytest.importorskip("s3fs")
    name_s3(monkeypatch, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(MonitoringError, match=r"s3://away.*: cannot be reached: \w+Error$"):
        baselines.versions("s3://away", MODEL)
    fsspec.filesystem("s3").clear_instance_cache()
