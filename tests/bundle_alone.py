"""Run by the plain python3 of a machine without network: install a bundle, start it, ask it, stop it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

PORT = 8123
URL = f"http://127.0.0.1:{PORT}"
READY_WITHIN_S = 180


def network() -> str:
    """Return whether a host elsewhere can be reached."""
    try:
        socket.create_connection(("192.0.2.1", 443), timeout=2).close()
    except OSError:
        return "unreachable"
    return "there"


def await_ready(service: "subprocess.Popen[bytes]") -> None:
    """Wait until the service answers; one that has ended never will."""
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            urlopen(f"{URL}/ready", timeout=5).close()
        except OSError:
            if time.monotonic() > deadline or service.poll() is not None:
                raise
            time.sleep(0.2)
        else:
            return


def main() -> None:
    """Print what was found as one line of JSON."""
    folder = Path(sys.argv[1])
    subprocess.run([folder / "install"], check=True, stdout=sys.stderr)
    environment = os.environ | {"TWINGRID_PORT": str(PORT)}
    service = subprocess.Popen([folder / "twingrid", "up"], env=environment, stdout=sys.stderr)
    try:
        await_ready(service)
        with urlopen(f"{URL}/lookup?lon=120.27&lat=30.30", timeout=30) as reply:
            layers = [layer["status"] for layer in json.load(reply)["layers"]]
        found = {"network": network(), "layers": layers}
        for name, path in (("docs", "/docs"), ("map", "/maps/grids")):
            with urlopen(URL + path, timeout=60) as reply:
                found[name] = reply.status
    finally:
        service.send_signal(signal.SIGINT)
        service.wait(timeout=60)
    print(json.dumps(found))


main()
