"""OpenTelemetry: without the setting nothing of it, with it spans that tell nothing of what was asked."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import ValidationError

from api.app import create_app
from api.tracing import traced, tracing
from spatial import jobs
from spatial.db import Database
from spatial.settings import ROOT, Settings
from spatial.time import now
from tests.test_jobs import add

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROBE = """
import os, sys
from api.app import create_app
from api.tracing import tracing
from fastapi.testclient import TestClient
from spatial.db import Database, make_engine
from spatial.settings import Settings
with tracing(Settings()) as traces:
    with TestClient(create_app(Database(make_engine("postgresql:///nowhere")), Settings(), traces)) as client:
        assert client.get("/health").status_code == 200
print(*(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))))
"""


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Yield the address of a collector on loopback, and what it has received."""
    received: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's own name
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()


def spans(received: list[bytes]) -> list[Any]:
    """Return the spans of what was received."""
    found = []
    for body in received:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def test_without_the_setting_nothing_is_loaded_and_nobody_is_asked() -> None:
    """Not even where variables of other programs name a collector."""
    with collector() as (url, received):
        foreign = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("TWINGRID_", "OTEL_"))}
        command = [sys.executable, "-c", PROBE]
        loaded = subprocess.check_output(command, env=bare | foreign, text=True, cwd=ROOT, timeout=120)
    assert (loaded.strip(), received) == ("", [])


def test_requests_and_jobs_are_traced_without_what_was_asked(town_copy: Database) -> None:
    """Each request is a span by its template, below the caller's own; each job is one; none holds a value."""
    with collector() as (url, received):
        with tracing(Settings(otlp_endpoint=url)) as traces:
            app = create_app(town_copy, Settings(), traces)
            client = TestClient(app, "http://127.0.0.1:8000", client=("127.0.0.1", 50000))
            asked = {"lon": "120.2712345", "lat": "30.3"}
            client.get("/lookup", params=asked, headers={"traceparent": PARENT})
            client.get("/grids/police/secret-code", headers={"Host": "secret-host"})
            add(town_copy, "mark", "secret-name")
            jobs.run_next(town_copy, traced({"mark": fail}, traces), clock=now)
        sent = spans(received)
    names = {span.name for span in sent}
    assert {"GET /lookup", "GET /grids/{layer}/{code}", "job mark"} <= names
    lookup = next(span for span in sent if span.name == "GET /lookup")
    assert (lookup.trace_id.hex(), lookup.parent_span_id.hex()) == tuple(PARENT.split("-")[1:3])
    body = b"".join(received)
    assert [secret for secret in (b"120.27", b"secret") if secret in body] == []


def fail(*_: Any) -> dict[str, Any]:
    """Fail, quoting what was asked."""
    raise OSError("secret-name")


def test_a_collector_that_is_away_holds_nothing_up(town: Database) -> None:
    """Requests are answered as ever."""
    with tracing(Settings(otlp_endpoint="http://127.0.0.1:1")) as traces:
        client = TestClient(create_app(town, Settings(), traces), client=("127.0.0.1", 50000))
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("odd", ["collector:4318", "ftp://x", "http://", ""])
def test_what_is_no_address_is_refused(odd: str) -> None:
    """The setting names a collector by http or https."""
    with pytest.raises(ValidationError):
        Settings(otlp_endpoint=odd)
