"""What the soak is made of: a deployment of several processes that are killed and started again, and its callers."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

from tests.service import TWINGRID, Service
from tests.waiting import wait_until

APIS, WORKERS = 2, 2
OWN = {"TWINGRID_LOG_LEVEL": "warning", "TWINGRID_RATE_PER_MINUTE": "0"}
LOOKS_EVERY_S = 0.1


class Deployment:
    """Two services and two workers over one embedded PostGIS; whichever process ends is started again."""

    def __init__(self, data_dir: Path) -> None:
        self.first = Service(data_dir, TWINGRID_SIZE="town", **OWN)
        self.apis = [Service(data_dir, **OWN) for _ in range(APIS)]
        self.kills: dict[str, int] = {}
        self._over = threading.Event()
        self._log = (data_dir / "soak.log").open("ab")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """Load the town, start everything, and wait until every service is ready and a worker seen."""
        self.first.run("demo", "load")
        self._keeper.start()
        for api in self.apis:
            wait_until(lambda url=api.url: _is_well(url), 180)

    def end(self) -> None:
        """End all processes in order."""
        self._stop(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop(signal.SIGKILL)  # where the test failed before it ended them
        for pid in self.first.postgres():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._log.close()

    def _stop(self, number: signal.Signals) -> None:
        self._over.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for process in self._processes.values():
            process.send_signal(number)
        for process in self._processes.values():
            process.wait(timeout=60)

    def kill(self, victim: str, chance: random.Random) -> None:
        """End a service, a worker, PostgreSQL's first process or one of its others, on the spot."""
        pids = {
            "api": [process.pid for name, process in self._processes.items() if name.startswith("api")],
            "worker": [process.pid for name, process in self._processes.items() if name.startswith("worker")],
            "postmaster": self._postgres(first=True),
            "backend": self._postgres(first=False),
        }[victim]
        if pids:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                self.kills[victim] = self.kills.get(victim, 0) + 1

    def _postgres(self, *, first: bool) -> list[int]:
        found = self.first.postgres()
        try:
            postmaster = int((self.first.data_dir / "postgis/cluster/postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return []
        return [pid for pid in found if (pid == postmaster) is first]

    def _keep(self) -> None:
        verbs = {f"api {number}": ("serve", api) for number, api in enumerate(self.apis)}
        verbs |= {f"worker {number}": ("worker", self.first) for number in range(WORKERS)}
        while not self._over.wait(LOOKS_EVERY_S):
            for name, (verb, service) in verbs.items():
                if name not in self._processes or self._processes[name].poll() is not None:
                    command = [TWINGRID, verb]
                    started = subprocess.Popen(
                        command, env=service.environment, stdout=self._log, stderr=self._log, start_new_session=True
                    )
                    self._processes[name] = started


@dataclass
class Callers:
    """Callers that send each thing until it is acknowledged, as real ones do, and note what they sent."""

    urls: list[str]
    chance: random.Random
    told: dict[str, bool] = field(default_factory=dict)  # numbers of events: whether their telling was acknowledged
    batches: list[list[str]] = field(default_factory=list)
    files: dict[str, bool] = field(default_factory=dict)  # marks of files of sources: whether their commit was
    checks: list[str] = field(default_factory=list)  # acknowledged jobs
    cancelled: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        """Send one thing after another until it is over."""
        steps: list[Callable[[str], None]] = [self.tell, self.tell, self.tell_many, self.send_file, self.check]
        count = 0
        while not self.over.is_set():
            count += 1
            steps[(number + count) % len(steps)](f"{number}-{count}")

    def acknowledged(self) -> dict[str, int]:
        """Return how many of each thing were acknowledged."""
        told = {"events": sum(self.told.values()), "files": sum(self.files.values())}
        return told | {"checks": len(self.checks), "cancelled": len(self.cancelled)}

    def tell(self, mark: str) -> None:
        """Tell one event."""
        self.told[f"one-{mark}"] = False
        if self._until_done("POST", "/incidents", "dispatcher", {200, 201}, json=_event(f"one-{mark}")):
            self.told[f"one-{mark}"] = True

    def tell_many(self, mark: str) -> None:
        """Tell twenty events at once."""
        numbers = [f"many-{mark}-{place}" for place in range(20)]
        self.told |= dict.fromkeys(numbers, False)
        self.batches.append(numbers)
        if self._until_done("POST", "/incidents/batch", "dispatcher", {200}, json=[_event(one) for one in numbers]):
            self.told |= dict.fromkeys(numbers, True)

    def send_file(self, mark: str) -> None:
        """Send a file of sources, wait for its dry run, and commit it."""
        self.files[mark] = False
        content = "code,title\n" + "".join(f"file-{mark}-{place},Feed\n" for place in range(200))
        files = {"file": (f"{mark}.csv", content)}
        sent = self._until_done("POST", "/imports/sources", "system_admin", {202}, files=files)
        if sent is None or not self._wait_for(sent.headers["location"], lambda it: it["can_commit"]):
            return
        path = f"{sent.headers['location']}/commit"
        if self._until_done("POST", path, "system_admin", {202, 409}) is None:  # 409: an answer was lost
            return
        is_done = self._wait_for(sent.headers["location"], lambda it: (it["commit"] or {}).get("state") == "done")
        self.files[mark] = is_done

    def check(self, _mark: str) -> None:
        """Queue a check of a layer, and now and then cancel it."""
        queued = self._until_done("POST", "/layers/police/check", "planner", {202})
        if queued is None:
            return
        self.checks.append(queued.headers["location"])
        if self.chance.random() < 0.3 and self._until_done("DELETE", self.checks[-1], "planner", {200}):
            self.cancelled.append(self.checks[-1])

    def _wait_for(self, path: str, so: Callable[[dict[str, Any]], bool]) -> bool:
        while not self.over.is_set():
            found = self._until_done("GET", path, "system_admin", {200})
            if found is not None and so(found.json()):
                return True
            time.sleep(0.2)
        return False

    def _until_done(self, method: str, path: str, role: str, wanted: set[int], **body: Any) -> httpx.Response | None:
        """Ask until the answer is one of those wanted; None when it is over before. Only a 503 is asked again."""
        while not self.over.is_set():
            try:
                cookies = {"cookie": f"twingrid_demo=demo-{role}"}
                reply = httpx.request(method, self.chance.choice(self.urls) + path, headers=cookies, timeout=40, **body)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if reply.status_code in wanted:
                return reply
            assert reply.status_code == 503, f"{method} {path}: {reply.status_code} {reply.text}"
            time.sleep(0.2)
        return None


def _event(number: str) -> dict[str, Any]:
    told = {"source": "110", "external_id": number, "category": "bicycle-theft", "lon": 120.27, "lat": 30.30}
    return told | {"reported_at": "2025-03-03T08:30:00+08:00"}


def _is_well(url: str) -> bool:
    try:
        reply = httpx.get(f"{url}/ready", timeout=10)
    except httpx.TransportError:
        return False
    return reply.status_code == 200 and reply.json()["status"] == "ok"
