"""Metrics for Prometheus: this process's requests, connections and memory; the deployment's jobs, workers, versions.

Each `serve` has metrics of its own, to be scraped by itself; where it is several processes, requests are those of all
of them together. What comes from the database is the same in all: take its maximum, not its sum.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.gc_collector import GCCollector
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy.pool import QueuePool

from api.deps import OpenHere
from api.errors import problem_responses
from spatial.db import MOST_CONNECTIONS, Database
from spatial.errors import Busy
from spatial.files import private_folder
from spatial.operations import Archiving, Figures, figures
from spatial.time import now
from spatial.watch import Watch

router = APIRouter(tags=["operations"])
SHARED = "PROMETHEUS_MULTIPROC_DIR"  # the library's own, looked at as it is imported
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"example": "twingrid_database_up 1.0"}}}}


class Metrics:
    """What a process counts, and looks up when it is asked."""

    def __init__(self, database: Database, watch: Watch) -> None:
        self.registry = CollectorRegistry()
        alone = self.registry if SHARED not in os.environ else None
        labels = ("method", "route", "status")
        words = "Seconds until a request was answered, by the template of its route"
        self.requests = Histogram("twingrid_request_seconds", words, labels, buckets=SECONDS, registry=alone)
        words = "Requests that are being answered"
        self.in_flight = Gauge("twingrid_requests_in_flight", words, registry=alone, multiprocess_mode="livesum")
        self.registry.register(Deployment(database))
        self.registry.register(Memory(watch))
        if alone is None:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]  # the library's
        else:
            ProcessCollector(registry=alone)
            PlatformCollector(registry=alone)
            GCCollector(registry=alone)


def empty_counts(data_dir: Path) -> Path:
    """Return an empty folder in which the processes that are spawned from here count together."""
    folder = private_folder(data_dir / "metrics")
    for one in folder.glob("*.db"):
        one.unlink()
    os.environ[SHARED] = str(folder)
    return folder


class Memory(Collector):
    """How old what look-ups are answered from is."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: before the first time there is nothing to tell."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield its age."""
        if self._watch.seen_at is not None:
            words = "Seconds since what is held in memory was last seen to be what the database has"
            yield GaugeMetricFamily("twingrid_memory_age_seconds", words, (now() - self._watch.seen_at).total_seconds())


class Deployment(Collector):
    """What the database knows at the moment of asking; without it, only that it is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing: what there is depends on the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics of this process's connections and of the whole deployment."""
        yield from self._connections()
        try:
            with self._database.read() as session:
                found = figures(session, now())
        except Busy:
            found = None
        yield GaugeMetricFamily("twingrid_database_up", "Whether the database answers", float(found is not None))
        if found is not None:
            yield from _of_database(found)

    def _connections(self) -> Iterator[GaugeMetricFamily]:
        pool = self._database.engine.pool
        if not isinstance(pool, QueuePool):
            return
        used = GaugeMetricFamily(
            "twingrid_database_connections", "Connections of this process to the database", labels=["state"]
        )
        used.add_metric(["in_use"], pool.checkedout())
        used.add_metric(["idle"], pool.checkedin())
        yield used
        words = "Most connections this process opens"
        yield GaugeMetricFamily("twingrid_database_connections_limit", words, MOST_CONNECTIONS)


def _of_database(found: Figures) -> Iterator[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("twingrid_jobs", "Jobs by kind and state", labels=["kind", "state"])
    for (kind, state), count in found.jobs.items():
        jobs.add_metric([kind, state], count)
    yield jobs
    words = "Seconds for which the oldest job that is due has waited; 0 when none is"
    yield GaugeMetricFamily("twingrid_job_oldest_due_seconds", words, found.oldest_due_s)
    yield GaugeMetricFamily("twingrid_workers", "Workers that were seen lately", found.workers)
    if found.worker_seen_s is not None:
        words = "Seconds since any worker was seen"
        yield GaugeMetricFamily("twingrid_worker_seen_seconds", words, found.worker_seen_s)
    versions = GaugeMetricFamily("twingrid_dataset_version", "Newest version by domain", labels=["domain"])
    for domain, number in found.versions.items():
        versions.add_metric([domain], number)
    yield versions
    yield GaugeMetricFamily("twingrid_audit_rows", "Rows of the audit", found.audit_rows)
    if found.archiving is not None:
        yield from _of_archive(found.archiving)


def _of_archive(found: Archiving) -> Iterator[GaugeMetricFamily]:
    words = "Whether the last attempt to archive the log of changes failed"
    yield GaugeMetricFamily("twingrid_wal_archive_failing", words, float(found.is_failing))
    words = "Segments of the log of changes that were archived"
    yield GaugeMetricFamily("twingrid_wal_archived", words, found.archived)
    words = "Attempts to archive a segment that failed"
    yield GaugeMetricFamily("twingrid_wal_archive_failures", words, found.failures)
    if found.archived_s is not None:
        words = "Seconds since a segment was archived"
        yield GaugeMetricFamily("twingrid_wal_archived_seconds", words, found.archived_s)
    if found.failed_s is not None:
        words = "Seconds since an attempt to archive failed"
        yield GaugeMetricFamily("twingrid_wal_archive_failed_seconds", words, found.failed_s)


@router.get(
    "/metrics",
    summary="Metrics in the text format of Prometheus",
    response_class=Response,
    responses={**TEXT, **problem_responses()},
    dependencies=[Depends(OpenHere("service.watch"))],
)
def metrics(request: Request) -> Response:
    """Return the metrics, to this machine while the service listens on loopback alone, else to a system_admin."""
    found: Metrics = request.app.state.metrics
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
