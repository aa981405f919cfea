"""What Prometheus may know: counts and times by route, nothing of a client and nothing of a count."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from proxyset.server.telemetry import Telemetry

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics(Collector):
    """The server's own registry. Requests are counted here, in the thread of the event loop, because the library's counters
    take a lock for each of the numbers; it asks for them when it is scraped.

    Args:
        telemetry: told the same, if any.
    """

    def __init__(self, telemetry: Telemetry | None = None) -> None:
        self._telemetry = telemetry
        self._registry = CollectorRegistry()
        self._answered: Counter[tuple[str, str, str]] = Counter()
        self._times: dict[str, list[int]] = defaultdict(lambda: [0] * (len(_SECONDS) + 1))
        self._spent: dict[str, float] = defaultdict(float)
        self._outcomes: Counter[str] = Counter()
        self._sent = 0
        self._registry.register(self)
        self._batches = Histogram(
            "proxyset_commit_releases", "Releases in one commit.", registry=self._registry, buckets=_SIZES
        )

    def request(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Count one answered request; `route` is a template or "other": strangers cannot make up labels."""
        method = method if method in _METHODS else "other"
        self._answered[method, route, str(status)] += 1
        self._times[route][bisect_left(_SECONDS, seconds)] += 1
        self._spent[route] += seconds
        self._sent += sent
        if self._telemetry is not None:
            self._telemetry.request(method, route, status, seconds)

    def release(self, outcome: str) -> None:
        self._outcomes[outcome] += 1
        if self._telemetry is not None:
            self._telemetry.release(outcome)

    def commit(self, size: int) -> None:
        self._batches.observe(size)
        if self._telemetry is not None:
            self._telemetry.commit(size)

    def collect(self) -> Iterator[Metric]:
        """What the library asks for."""
        requests = CounterMetricFamily(
            "proxyset_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for labels, count in self._answered.items():
            requests.add_metric(labels, count)
        times = HistogramMetricFamily("proxyset_request_seconds", "Time to answer.", labels=("route",))
        for route, counts in self._times.items():
            most = (*map(str, _SECONDS), "+Inf")
            times.add_metric((route,), list(zip(most, accumulate(counts), strict=True)), self._spent[route])
        outcomes = CounterMetricFamily(
            "proxyset_releases", "Releases by what became of them.", labels=("outcome",)
        )
        for outcome, count in self._outcomes.items():
            outcomes.add_metric((outcome,), count)
        yield from (requests, times, outcomes)
        yield CounterMetricFamily("proxyset_sent_bytes", "Bytes of bodies sent.", value=self._sent)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
