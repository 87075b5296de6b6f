"""A receiver of webhooks on the loopback address."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from feedback_model import MODEL, write_monitor

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """An HTTP server on loopback that keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = receiver.answers.pop(0) if receiver.answers else (202, {})
                if status == 0:  # dropped after receipt
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/token-in-path"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def write_hooked_monitor(folder: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> None:
    """Lay out the model whose hook is a receiver's webhook, with a store of its own."""
    monkeypatch.setenv("TRAIN_SECRET", SECRET)
    monkeypatch.setenv("TRAIN_URL", receiver.url)
    monkeypatch.setenv("MONITORING_STORE", f"sqlite:///{folder}/store.db")
    write_monitor(folder, monkeypatch)
    path = folder / "monitors" / f"{MODEL}.yaml"
    hook = 'hook: {webhook: "${TRAIN_URL}", secret: TRAIN_SECRET}'
    path.write_text(path.read_text().replace('hook: {command: ["true"]}', hook))
