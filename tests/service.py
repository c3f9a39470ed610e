"""The real service as a process of its own: `twingrid up` with its own data folder and port."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from spatial.compiled import FOLDER
from spatial.settings import settings

TWINGRID = Path(sys.executable).parent / "twingrid"
READY_WITHIN_S = 120


class Service:
    """One `twingrid up`."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"TWINGRID_DATA_DIR": str(data_dir), "TWINGRID_PORT": str(self.port), "TWINGRID_LANGUAGE": "en"}
        self.environment = {**os.environ, **own, **settings}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it, wait until it is ready, and return the seconds that took."""
        begin = time.monotonic()
        made = settings().data_dir / FOLDER
        if made.exists() and not (self.data_dir / FOLDER).exists():
            shutil.copytree(made, self.data_dir / FOLDER)  # machine code is made once, not by each service anew
        log = (self.data_dir / "up.log").open("ab")
        self.process = subprocess.Popen([TWINGRID, "up"], env=self.environment, stdout=log, stderr=log)
        while time.monotonic() < begin + READY_WITHIN_S:
            assert self.process.poll() is None, self.log()
            try:
                if httpx.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return time.monotonic() - begin
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready within {READY_WITHIN_S} s: {self.log()}")

    def log(self) -> str:
        """Return what it printed."""
        return (self.data_dir / "up.log").read_text(errors="replace")[-3000:]

    def end(self, number: signal.Signals) -> None:
        """Send it a signal and wait for its end."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(timeout=60)

    def get(self, path: str, **params: Any) -> Any:
        """Return the body of a GET that must succeed."""
        reply = httpx.get(f"{self.url}{path}", params=params, timeout=30)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another verb of the command line over the same data."""
        return subprocess.run(
            [TWINGRID, *arguments], env=self.environment, capture_output=True, text=True, check=check, timeout=300
        )

    def postgres(self) -> list[int]:
        """Return the processes of its PostGIS."""
        cluster = (self.data_dir / "postgis" / "cluster").resolve()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == cluster and (process / "comm").read_text() == "postgres\n":
                    found.append(int(process.name))
            except OSError:
                continue
        return found


@contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[Service]:
    """Yield a service that is up, and see that nothing of it is left."""
    data_dir.chmod(0o755)
    service = Service(data_dir, **settings)
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.end(signal.SIGTERM)
        for pid in service.postgres():
            os.kill(pid, signal.SIGKILL)
