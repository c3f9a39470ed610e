"""A thousand clients that dawdle: the memory stays, and whoever asks as usual is answered."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2 as httpx
import pytest

from api.sending import MOST_LEAVING
from tests.service import Service, running
from tests.wire import Wire

pytestmark = pytest.mark.proof
MANY = 1000
MB = 10**6
BODY = b"POST /incidents HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Yield a service over the town as a process of its own, which everybody may ask as often as they like."""
    folder = tmp_path_factory.mktemp("slow")
    for above in (folder, folder.parent):
        above.chmod(0o755)
    with running(folder, TWINGRID_RATE_PER_MINUTE="0") as up:
        yield up


def memory_mb(service: Service, what: str) -> float:
    """Return the memory of the service itself: `VmRSS` now, or `VmHWM` at most so far."""
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) * 1024 / MB


def still_answers(service: Service) -> None:
    """See that an ordinary request is answered, at once or after the wait that a 503 tells."""
    for _ in range(10):
        reply = httpx.get(f"{service.url}/lookup", params={"lon": 120.27, "lat": 30.3}, timeout=15)
        if reply.status_code == 200:
            return
        assert reply.status_code == 503
        time.sleep(int(reply.headers["retry-after"]))
    raise AssertionError("it was never answered")


@pytest.mark.parametrize("path", ["/maps/grids", "/grids/governance?limit=1000", "/openapi.json"])
def test_a_thousand_readers_that_do_not_read(service: Service, path: str) -> None:
    """All ask for something large, and none takes it: refused or given up, in the memory that answers have together."""
    wire = Wire("127.0.0.1", service.port)
    before = memory_mb(service, "VmRSS")
    with ExitStack() as opened:
        for n in range(MANY):
            reader = opened.enter_context(wire.connect(receive_buffer=4096))
            reader.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            if n % 200 == 199:
                still_answers(service)
        time.sleep(15)  # they dawdle
        still_answers(service)
    print(f"{path}: {before:.0f} MB before, {memory_mb(service, 'VmHWM'):.0f} MB at most")  # noqa: T201  the proof's figures
    assert memory_mb(service, "VmHWM") < before + MOST_LEAVING / MB + 200


@pytest.mark.parametrize("begin", [b"", b"GET /maps/grids HT", BODY, BODY + b" " * 400_000])
def test_a_thousand_that_stop_half_way(service: Service, begin: bytes) -> None:
    """Connections that say nothing, half a head, half a body: held for a while in little memory, then closed."""
    wire = Wire("127.0.0.1", service.port)
    before = memory_mb(service, "VmRSS")
    with ExitStack() as opened:
        halves = [opened.enter_context(wire.connect()) for _ in range(MANY)]
        for half in halves:
            half.setblocking(False)
            try:
                half.send(begin)
            except BlockingIOError:
                continue
        still_answers(service)
        for half in halves:
            half.setblocking(True)
            half.settimeout(60)
            try:
                while half.recv(65536):
                    pass
            except ConnectionError:
                continue
    print(f"{begin[:20]!r}: {before:.0f} MB before, {memory_mb(service, 'VmRSS'):.0f} MB after")  # noqa: T201  the proof's figures
    assert memory_mb(service, "VmRSS") < before + 450
