"""The shipped nginx.conf before a real server: who asks is judged before a body is read, a server that is away passed over."""

import http.client
import ssl
from urllib.parse import urlsplit

import httpx2
import pytest

from proxyset.server.state import State
from proxyset_lab.service import nginx
from proxyset_lab.service.driver import free_port
from tests.server.running import begin, new_client, running, signed, tiny_index

pytestmark = pytest.mark.skipif(nginx.program() is None, reason="there is no nginx")


def test_requests_by_nginx(tmp_path):
    state = State.open(tmp_path / "state")
    begin(state, tiny_index(tmp_path), "one")
    key, port = new_client(state), free_port()
    with running(state, public_url=f"https://127.0.0.1:{port}") as url:
        ports = [free_port(), urlsplit(url).port]  # nobody listens on the first
        with nginx.balancing(tmp_path / "nginx", port, ports) as front:
            trust = ssl.create_default_context(cafile=front.trust)
            for _ in range(4):
                assert httpx2.get(f"{front.url}/healthz", verify=trust).status_code == 200
            assert signed(key, "GET", f"{front.url}/v1/campaigns/one/probe", verify=trust).status_code == 200
            line = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=20)
            line.putrequest("POST", "/v1/operator/campaigns")
            line.putheader("content-length", str(100 << 20))
            line.endheaders()
            assert line.getresponse().status == 401  # with nothing of the body sent
            line.close()
    state.close()
