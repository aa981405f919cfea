"""Traces and metrics, as a collector gets them over the network; and nothing of them where none is named."""

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from proxyset.errors import InvalidInput
from proxyset.server.app import create_app
from proxyset.server.sockets import listen, server_of, url_of
from proxyset.server.state import State
from proxyset.server.telemetry import Telemetry
from tests.server.running import GENEROUS, begin, new_client, signed, tiny_index


@contextmanager
def collector():
    """Its URL, and the bodies that came, by path."""
    came = {"/v1/traces": [], "/v1/metrics": []}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came[self.path].append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


def test_what_a_collector_gets(tmp_path):
    state = State.open(tmp_path / "state")
    begin(state, tiny_index(tmp_path), "one")
    key = new_client(state)
    with collector() as (place, came):
        telemetry = Telemetry(place)
        server = server_of(create_app(state, limits=GENEROUS, telemetry=telemetry), GENEROUS)
        with listen("127.0.0.1", 0) as listener:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            url = url_of(listener, "127.0.0.1", None)
            assert signed(key, "GET", f"{url}/v1/campaigns/one/probe").status_code == 200
            assert (
                httpx2.get(
                    f"{url}/v1/campaigns", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
                ).status_code
                == 401
            )
            server.should_exit = True
            thread.join(timeout=30)
        telemetry.close()
    state.close()
    spans = [
        span
        for body in came["/v1/traces"]
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert {span.name for span in spans} == {"GET /v1/campaigns/{campaign}/probe", "GET /v1/campaigns"}
    for span in spans:
        assert {each.key for each in span.attributes} == {
            "http.request.method",
            "http.route",
            "http.response.status_code",
        }
        assert span.end_time_unix_nano > span.start_time_unix_nano and span.trace_id != bytes.fromhex(
            "a" * 32
        )
    names = {
        metric.name
        for body in came["/v1/metrics"]
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert "http.server.request.duration" in names
    told = b"".join(came["/v1/traces"] + came["/v1/metrics"])
    assert key.verify_key.encode().hex()[:12].encode() not in told and b"127.0.0.1" not in told


def test_without_a_collector_the_library_is_not_loaded():
    code = (
        "import sys, proxyset.server.app, proxyset.cli; "
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'joserfc'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_collector_is_a_url():
    with pytest.raises(InvalidInput, match="4318"):
        Telemetry("localhost:4318")
