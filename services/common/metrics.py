"""Prometheus metrics of one service: ``kenspeckle_<service>_…``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """Own registry per app, so that several apps live in one process (and in one test run).

    Args:
        service: detector, extractor or indexer.
        registry: share one to expose several services on one port.
    """

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        prefix = f"kenspeckle_{service}"
        self._requests = Histogram(
            f"{prefix}_request_seconds",
            "Time per request",
            ["route", "method", "status"],
            registry=self.registry,
            buckets=BUCKETS,
        )
        self._stages = Histogram(
            f"{prefix}_stage_seconds", "Time per stage", ["stage"], registry=self.registry, buckets=BUCKETS
        )
        self._events = Counter(f"{prefix}_events_total", "Things that happened", ["event"], registry=self.registry)
        self._levels = Gauge(f"{prefix}_level", "Sizes: queue, index, revision", ["name"], registry=self.registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(route, method, str(status)).observe(seconds)

    @contextmanager
    def stage(self, name: str, timings_ms: dict[str, float] | None = None) -> Iterator[None]:
        """Time a block; also into ``timings_ms`` (milliseconds, added up) if given."""
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self.observe_stage(name, seconds)
            if timings_ms is not None:
                timings_ms[name] = round(timings_ms.get(name, 0.0) + seconds * 1e3, 3)

    def observe_stage(self, name: str, seconds: float) -> None:
        """Record a time that was measured elsewhere."""
        self._stages.labels(name).observe(seconds)

    def event(self, name: str, count: int = 1) -> None:
        """Count things that happened."""
        self._events.labels(name).inc(count)

    def level(self, name: str, value: float) -> None:
        """Set a size."""
        self._levels.labels(name).set(value)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
