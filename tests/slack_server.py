"""A stand-in for Slack that speaks its protocol on loopback, and misbehaves when told to."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

TOKEN = "xoxb-stand-in-4f1c9a"  # the stand-in's own, worth nothing elsewhere
WEBHOOK_PATH = "/services/T000/B000/stand-in-secret"
UPLOAD_PATH = "/upload/v1/"
LIMITS = {"header": 150, "section": 3000}


def within_limits(body: dict) -> bool:
    """Say whether blocks are within the limits of Block Kit, as its reference states them."""
    blocks = body.get("blocks") or []
    blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
    texts = [(LIMITS[b["type"]], b["text"]["text"]) for b in blocks if "text" in b]
    fields = [b["fields"] for b in blocks if "fields" in b]
    texts += [(2000, f["text"]) for own in fields for f in own]
    return (
        len(blocks) <= 50
        and all(0 < len(own) <= 10 for own in fields)
        and all(0 < len(text) <= limit for limit, text in texts)
    )


class SlackServer:
    """`with SlackServer() as slack:`, then `slack.base_url`, `slack.webhook_url`.

    `slack.faults` is a queue of what befalls the next requests to a method, as pairs of method and
    fault: a number is answered as that HTTP status, `drop` takes the message and cuts the
    connection, `drop_before` cuts it without taking the message, `hang` takes it and answers
    after `hang_seconds`, and any other word is Slack's own error.
    `slack.chance` is asked for a fault where the queue has none for a method. Blocks beyond the
    limits of Block Kit are refused as Slack does. `slack.messages` is what the channel shows,
    `slack.calls` the methods called, `slack.files` what was uploaded, by id.
    """

    def __init__(self, *, channel: str = "C0123456", readable: bool = True, page: int = 200):
        self.channel = channel
        self.readable = readable
        self.page = page
        self.messages: list[dict] = []
        self.calls: list[str] = []
        self.faults: deque[tuple[str, object]] = deque()
        self.chance: Callable[[str], object] = lambda method: None
        self.files: dict[str, dict] = {}
        self.hang_seconds = 2.0
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> SlackServer:
        """Listen on a free port."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        # Or else a request that still hangs keeps the test from ending.
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """What SLACK_BASE_URL should be."""
        return f"http://127.0.0.1:{self._http.server_port}/api/"

    @property
    def webhook_url(self) -> str:
        """What SLACK_WEBHOOK_URL should be."""
        return f"http://127.0.0.1:{self._http.server_port}{WEBHOOK_PATH}"

    def delivery_ids(self) -> list[str]:
        """Return the delivery ids of the messages that the channel shows."""
        return [
            m["metadata"]["event_payload"]["delivery_id"] for m in self.messages if "metadata" in m
        ]

    def _fault(self, method: str) -> object:
        with self._lock:
            if self.faults and self.faults[0][0] == method:
                return self.faults.popleft()[1]
            return self.chance(method)

    def _keep(self, body: dict) -> dict:
        with self._lock:
            posted = {"type": "message", "ts": f"{1.7e9 + len(self.messages):.6f}", **body}
            self.messages.append(posted)
        return posted

    def answer(self, method: str, body: dict, token: str | None) -> tuple[int, dict]:
        """Return the status and the JSON of a Web API method."""
        if token != TOKEN:
            return 200, {"ok": False, "error": "invalid_auth"}
        if method == "files.getUploadURLExternal":
            return 200, self._place(body)
        if (body.get("channel") or body.get("channel_id")) != self.channel:
            return 200, {"ok": False, "error": "channel_not_found"}
        if method in ("chat.postMessage", "chat.update") and not within_limits(body):
            return 200, {"ok": False, "error": "invalid_blocks"}
        if method == "chat.update":
            return 200, self._update(body)
        if method == "files.completeUploadExternal":
            return 200, self._share(body)
        if method == "chat.postMessage":
            posted = self._keep(body)
            return 200, {"ok": True, "channel": self.channel, "ts": posted["ts"]}
        if method in ("conversations.history", "conversations.replies"):
            if not self.readable:
                return 200, {"ok": False, "error": "missing_scope", "needed": "channels:history"}
            replies = method == "conversations.replies"
            return 200, self._listed(body, self._in_thread(body["ts"]) if replies else self.shown())
        return 200, {"ok": False, "error": "unknown_method"}

    def _place(self, body: dict) -> dict:
        with self._lock:
            name = f"F{len(self.files):09}"
            self.files[name] = {"id": name, "name": body["filename"], "length": body["length"]}
        url = f"http://127.0.0.1:{self._http.server_port}{UPLOAD_PATH}{name}"
        return {"ok": True, "upload_url": url, "file_id": name}

    def _update(self, body: dict) -> dict:
        with self._lock:
            found = next((m for m in self.messages if m["ts"] == body["ts"]), None)
            if found is None:
                return {"ok": False, "error": "message_not_found"}
            found |= {k: body[k] for k in ("text", "blocks") if k in body}
            found["edited"] = found.get("edited", 0) + 1
        return {"ok": True, "channel": self.channel, "ts": body["ts"]}

    def _share(self, body: dict) -> dict:
        files = json.loads(body["files"]) if isinstance(body["files"], str) else body["files"]
        known = [self.files[f["id"]] for f in files]
        if any(len(f.get("content", b"")) != int(f["length"]) for f in known):
            return {"ok": False, "error": "file_not_found"}
        shown = [{"id": f["id"], "name": f["name"]} for f in known]
        self._keep(
            {
                "channel": body["channel_id"],
                "thread_ts": body["thread_ts"],
                "text": body.get("initial_comment", ""),
                "files": shown,
            }
        )
        return {"ok": True, "files": shown}

    def charts(self) -> list[dict]:
        """Return the messages that show a file."""
        return [m for m in self.messages if "files" in m]

    def shown(self) -> list[dict]:
        """Return the messages of the channel itself, without those in threads."""
        return [m for m in self.messages if "thread_ts" not in m]

    def replies(self) -> list[dict]:
        """Return the messages in threads."""
        return [m for m in self.messages if "thread_ts" in m]

    def _in_thread(self, ts: str) -> list[dict]:
        return [m for m in self.messages if ts in (m["ts"], m.get("thread_ts"))]

    def _listed(self, body: dict, messages: list[dict]) -> dict:
        newest_first = messages[::-1]
        begin = int(body.get("cursor") or 0)
        shown = newest_first[begin : begin + min(self.page, int(body.get("limit", 100)))]
        if body.get("include_all_metadata") not in ("1", "true", True):
            shown = [{k: v for k, v in m.items() if k != "metadata"} for m in shown]
        after = begin + len(shown)
        more = after < len(newest_first)
        return {
            "ok": True,
            "messages": shown,
            "has_more": more,
            "response_metadata": {"next_cursor": str(after) if more else ""},
        }

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path.startswith(UPLOAD_PATH):
                    self._take(self.path.removeprefix(UPLOAD_PATH), sent)
                    return
                raw = sent.decode()
                if "json" in self.headers.get("Content-Type", ""):
                    body = json.loads(raw)
                else:
                    body = {k: v[0] for k, v in parse_qs(raw).items()}
                webhook = self.path == WEBHOOK_PATH
                method = "webhook" if webhook else self.path.removeprefix("/api/")
                server.calls.append(method)
                fault = server._fault(method)
                if fault in ("drop", "hang") and not webhook:
                    # It is taken, and only the answer is lost.
                    token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                    server.answer(method, body, token)
                elif fault in ("drop", "hang"):
                    server._keep(body)
                if fault in ("drop", "drop_before"):
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if fault == "hang":
                    server._stop.wait(server.hang_seconds)
                    return
                if isinstance(fault, int):
                    self._say(fault, "text/plain", "no", {"Retry-After": "45"})
                elif webhook:
                    if isinstance(fault, str):
                        self._say(400, "text/plain", fault)
                    else:
                        server._keep(body)
                        self._say(200, "text/plain", "ok")
                else:
                    token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                    status, answer = (
                        (200, {"ok": False, "error": fault})
                        if isinstance(fault, str)
                        else server.answer(method, body, token)
                    )
                    self._say(status, "application/json", json.dumps(answer))

            def _take(self, name: str, content: bytes) -> None:
                server.calls.append("upload")
                fault = server._fault("upload")
                if fault == "drop_before":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                server.files[name]["content"] = content
                if fault in ("drop", "hang"):
                    if fault == "hang":
                        server._stop.wait(server.hang_seconds)
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status = fault if isinstance(fault, int) else 200
                self._say(status, "text/plain", "OK")

            def _say(self, status: int, kind: str, text: str, headers: dict | None = None) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": kind, **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                # Who asked may be gone: a time-out is one of the faults.
                with contextlib.suppress(ConnectionError):
                    self.end_headers()
                    self.wfile.write(text.encode())

        return Handler
