"""Traces and metrics for whoever collects them by OpenTelemetry's protocol; off unless a collector is named.

What it gets is what the log and Prometheus get: a span for each request (route, method, status) and each commit, their durations,
outcomes of releases. No address, no key, no name, no body. What callers say of traces of their own is not believed.
"""

from __future__ import annotations

import time

from proxyset.errors import InvalidInput, MissingExtra

_NANO = 1_000_000_000


class Telemetry:
    """The library, with what it needs to reach a collector. It sends from threads of its own; a collector that is away costs spans.

    Args:
        collector: URL of OTLP over HTTP, as "http://127.0.0.1:4318".

    Raises:
        MissingExtra: the library is not installed. InvalidInput: no such URL.
    """

    def __init__(self, collector: str) -> None:
        if not collector.startswith(("http://", "https://")):
            raise InvalidInput(f"a collector is called as http://127.0.0.1:4318, not {collector!r}")
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.metrics import MeterProvider
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import SpanKind, StatusCode
        except ImportError as error:
            raise MissingExtra(
                error.name or "opentelemetry", "telemetry", "Traces and metrics by OpenTelemetry"
            ) from None
        place, resource = collector.rstrip("/"), Resource.create({"service.name": "proxyset"})
        self._spans = TracerProvider(resource=resource)
        self._spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{place}/v1/traces")))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{place}/v1/metrics"))
        self._meters = MeterProvider([reader], resource)
        self._tracer, meter = self._spans.get_tracer("proxyset"), self._meters.get_meter("proxyset")
        self._durations = meter.create_histogram("http.server.request.duration", "s")
        self._outcomes = meter.create_counter(
            "proxyset.releases", description="Releases by what became of them."
        )
        self._commits = meter.create_histogram(
            "proxyset.commit.releases", description="Releases in one commit."
        )
        self._kind, self._failed = SpanKind.SERVER, StatusCode.ERROR

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request that was answered just now."""
        facts: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        end = time.time_ns()
        begin = end - round(seconds * _NANO)
        span = self._tracer.start_span(
            f"{method} {route}", kind=self._kind, start_time=begin, attributes=facts
        )
        if status >= 500:
            span.set_status(self._failed)
        span.end(end)
        self._durations.record(seconds, facts)

    def release(self, outcome: str) -> None:
        """What became of a release."""
        self._outcomes.add(1, {"outcome": outcome})

    def commit(self, size: int) -> None:
        """So many releases go into one commit."""
        self._commits.record(size)

    def close(self) -> None:
        """Send what waits, and end."""
        self._spans.shutdown()
        self._meters.shutdown()
