"""OpenTelemetry, where a setting names a collector: traces of requests and jobs. Without it nothing of it is loaded.

Spans are those of FastAPI and of the worker, less everything that tells what was asked: paths, queries, hosts.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastapi.telemetry import TelemetryConfig

from spatial.jobs import Handler
from spatial.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

TOLD = {
    "error.type",
    "code.function.name",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "network.protocol.version",
    "url.scheme",
}


@contextmanager
def tracing(settings: Settings) -> Iterator["TracerProvider | None"]:
    """Yield what traces go to, and send the last of them at the end; None where no setting names a collector."""
    if settings.otlp_endpoint is None:
        yield None
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Discreet(SpanProcessor):
        def on_start(self, span: Span, parent_context: Any = None) -> None:  # noqa: ARG002  # the library's own name
            for name in (span.attributes or {}).keys() - TOLD:
                span.set_attribute(name, "")

    provider = TracerProvider(resource=Resource.create({"service.name": "twingrid"}), shutdown_on_exit=False)
    provider.add_span_processor(Discreet())
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield provider
    finally:
        provider.shutdown()


def of_app(provider: "TracerProvider | None") -> TelemetryConfig:
    """Return what FastAPI is to do: traces to our provider alone, whatever variables of the environment say."""
    on = provider is not None
    return {"tracing": on, "tracer_provider": provider, "metrics": False, "logs": False, "auto_configure": False}


def traced(handlers: Mapping[str, Handler], provider: "TracerProvider | None") -> Mapping[str, Handler]:
    """Return handlers of jobs, each with a span of its own."""
    if provider is None:
        return handlers
    tracer = provider.get_tracer("twingrid")
    return {kind: _spanned(handler, f"job {kind}", tracer) for kind, handler in handlers.items()}


def _spanned(handler: Handler, name: str, tracer: "Tracer") -> Handler:
    def run(*given: Any) -> dict[str, Any]:
        with tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False):
            return handler(*given)

    return run
