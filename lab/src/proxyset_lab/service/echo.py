"""The least that uvicorn can do."""

from __future__ import annotations

import json
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from proxyset.server.sockets import listen, url_of


class Echo:
    """GET gets `size` bytes, POST is read and gets 80."""

    def __init__(self, size: int) -> None:
        self._large, self._small = b"x" * size, b"x" * 80

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = self._large
        if scope["method"] == "POST":
            body = self._small
            while (await receive()).get("more_body"):
                pass
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def main() -> None:
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(json.dumps({"url": url_of(listener, "127.0.0.1", None)}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        Echo(int(sys.argv[1])), log_config=None, access_log=False, ws="none", lifespan="off"
    )
    uvicorn.Server(config).run(sockets=[listener])
