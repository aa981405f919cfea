"""What Prometheus may know: counts and times by route, nothing of a client and nothing of a count."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The server's own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "proxyset_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "proxyset_request_seconds",
            "Time to answer.",
            ("route",),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._sent = Counter("proxyset_sent_bytes", "Bytes of bodies sent.", registry=self._registry)
        self._outcomes = Counter(
            "proxyset_releases", "Releases by what became of them.", ("outcome",), registry=self._registry
        )
        self._batches = Histogram(
            "proxyset_commit_releases", "Releases in one commit.", registry=self._registry, buckets=_SIZES
        )

    def request(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Count one answered request; `route` is a template or "other": strangers cannot make up labels."""
        at = (method if method in _METHODS else "other", route, status)
        if at not in self._known:  # finding a child takes longer than counting
            self._known[at] = (self._requests.labels(*at), self._seconds.labels(route))
        requests, times = self._known[at]
        requests.inc()
        times.observe(seconds)
        self._sent.inc(sent)

    def release(self, outcome: str) -> None:
        self._outcomes.labels(outcome).inc()

    def commit(self, size: int) -> None:
        self._batches.observe(size)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
