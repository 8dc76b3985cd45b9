"""A server on the loopback interface that speaks the Messages API, for the real SDK: it plays what it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler], None]


class Played:
    """The requests that came, and the replies that are still to be given; the last one is given again and again."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.replies: list[Reply] = []
        self.url = ""

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def served() -> Iterator[Played]:
    played = Played()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            played.requests.append(json.loads(body))
            played.headers.append({name.lower(): value for name, value in self.headers.items()})
            assert self.path == "/v1/messages"
            played.next()(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    played.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield played
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, status: int, body: str, **headers: str) -> None:
    data = body.encode()
    handler.send_response(status)
    for name, value in {"content_type": "application/json", "retry_after_ms": "1", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def message(*content: dict[str, Any], stop: str = "tool_use", tokens: tuple[int, int] = (1000, 200)) -> Reply:
    data = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
    }
    return lambda handler: send(handler, 200, json.dumps(data))


def use(given: Any, name: str = "write_formula", identity: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def says(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def fails(status: int, kind: str, text: str) -> Reply:
    data = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}
    return lambda handler: send(handler, status, json.dumps(data))


def drops(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()
    handler.close_connection = True


def dawdles(seconds: float) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        drops(handler)

    return reply
