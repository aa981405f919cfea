"""A proxy that passes requests on to a server, but breaks the connection instead of answering some imports."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2


@contextmanager
def lossy(url, lose, page=None):
    """Lose the answers to the imports numbered in `lose` (from 1); with `page`, answer everything with that instead.

    Yields the proxy's address, and the list of what was lost.
    """
    lost, imports = [], []

    class Handler(BaseHTTPRequestHandler):
        def _pass_on(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            status, content, kind = 200, page, "text/html"
            if page is None:
                answer = httpx2.request(
                    self.command, url + self.path, content=body, headers=headers, timeout=60
                )
                status, content, kind = answer.status_code, answer.content, answer.headers["content-type"]
            if "/import" in self.path:
                imports.append(self.path)
                if len(imports) in lose:
                    lost.append(self.path)
                    self.close_connection = True
                    return
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _pass_on  # noqa: N815 - what http.server calls

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", lost
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
