"""The collector: a small ASGI application that takes predictions and labels over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitoring_sdk.adapters.collector_intake import Intake, Job
from monitoring_sdk.adapters.collector_keys import Keys
from monitoring_sdk.adapters.collector_openapi import document
from monitoring_sdk.adapters.collector_outcome import Outcomes, outcome_endpoint
from monitoring_sdk.adapters.collector_rows import BadRowsError, checked, decoded, unpacked
from monitoring_sdk.adapters.inference_log import KINDS
from monitoring_sdk.adapters.monitor_file import config_now
from monitoring_sdk.adapters.outcome_body import OUTCOME_PATH
from monitoring_sdk.config import MODEL_NAME, MonitorConfig
from monitoring_sdk.errors import MonitoringError, StoreError

log = logging.getLogger("monitoring_sdk.collector")


@dataclass(frozen=True, slots=True)
class CollectorLimits:
    """What one request, and one model in a second, may bring."""

    body_bytes: int = 8 * 2**20
    unpacked_bytes: int = 32 * 2**20
    rows: int = 20_000
    requests_per_second: int = 100
    file_seconds: float = 30.0


def application(
    monitors: Path,
    folder: Path,
    keys: Path,
    limits: CollectorLimits | None = None,
    outcomes: Outcomes | None = None,
    files: Path | None = None,
) -> Starlette:
    """Return the collector of the models in a folder of monitor files.

    Parameters
    ----------
    monitors, folder : Path
        Folder of monitor files; folder of what waits to be filed, and of each model's log.
    keys : Path
        The file that `monitoring serve key` writes.
    outcomes : Outcomes, optional
        What came of retrainings is taken too, and written there.
    files : Path, optional
        Where each model's log is written instead, as `folders.folder` returns it.

    Raises
    ------
    StoreError
        When another collector files its rows in the folder.
    """
    allowed = limits or CollectorLimits()
    known = Keys(keys)
    limiter = FixedWindowRateLimiter(MemoryStorage())
    rate = RateLimitItemPerSecond(allowed.requests_per_second)
    # Before the server starts, so that a folder in use is an error of the command's own.
    intake = Intake(folder, allowed.file_seconds, files=files)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(intake.close)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def described(_: Request) -> JSONResponse:
        return JSONResponse(document(version("monitoring-sdk"), outcomes is not None))

    def allow(model: str) -> None:
        if not limiter.hit(rate, model):
            raise HTTPException(429, "too many requests", headers={"Retry-After": "1"})

    def endpoint(kind: str) -> Callable[[Request], Any]:
        async def take(request: Request) -> JSONResponse:
            model = request.path_params["model"]
            scheme, _, key = request.headers.get("authorization", "").partition(" ")
            if not known.known(model, key) or scheme.lower() != "bearer":
                bearer = {"WWW-Authenticate": "Bearer"}
                raise HTTPException(401, "no key of this model", headers=bearer)
            allow(model)
            config = _config(monitors, model)
            body = await _body(request, allowed.body_bytes)
            job = await asyncio.to_thread(_job, request, config, kind, body, allowed)
            if not intake.submit(job):
                raise HTTPException(429, "the disk is behind", headers={"Retry-After": "1"})
            # A request that is given up leaves the job to its thread.
            new = await asyncio.shield(asyncio.wrap_future(job.done))
            rows = job.rows.num_rows
            return JSONResponse({"rows": rows, "new": new, "repeated": rows - new}, 202)

        return take

    routes = [Route("/health", health), Route("/openapi.json", described)]
    routes += [Route(f"/v1/models/{{model}}/{k}", endpoint(k), methods=["POST"]) for k in KINDS]
    if outcomes is not None:
        tell = outcome_endpoint(outcomes, _body, allow)
        routes.append(Route(OUTCOME_PATH, tell, methods=["POST"]))
    handlers: Any = {
        HTTPException: _on_http,
        BadRowsError: _on_bad,
        MonitoringError: _on_fault,
        ClientDisconnect: _on_gone,
    }
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


def _config(monitors: Path, model: str) -> MonitorConfig:
    path = monitors / f"{model}.yaml"
    if not MODEL_NAME.fullmatch(model) or not path.is_file():
        raise HTTPException(404, "no monitor file of this model")
    try:
        config = config_now(path)
    except MonitoringError:
        config = None
    if config is None or config.model != model:
        raise StoreError("the monitor file of this model is wrong")
    return config


async def _body(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise BadRowsError(413, "body", "is too large", f"> {most}", [f"<= {most} bytes"])
        parts.append(part)
    return b"".join(parts)


def _job(
    request: Request, config: MonitorConfig, kind: str, body: bytes, allowed: CollectorLimits
) -> Job:
    data = unpacked(body, request.headers.get("content-encoding", ""), allowed.unpacked_bytes)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    rows, ids = checked(decoded(data, media), config, kind, allowed.rows, datetime.now(UTC))
    return Job(config.model, kind, rows, ids)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _refusal(request, error.status_code, error.detail, error.headers)


async def _on_fault(request: Request, error: Exception) -> JSONResponse:
    # What is told is for who sends: no path and no cause of this machine beyond its own words.
    told = str(error) if isinstance(error, StoreError) else "the collector is not set up well"
    log.error("%s: %s", request.url.path, error)
    return _refusal(request, 503, told, {"Retry-After": "5"})


async def _on_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


def _refusal(request: Request, status: int, problem: str, headers: Any) -> JSONResponse:
    told: Any = {"where": request.url.path, "problem": problem, "got": None, "allowed": []}
    return JSONResponse({"problems": [told]}, status, headers=headers)


async def _on_bad(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadRowsError)
    return JSONResponse({"problems": [error.told]}, error.status)
