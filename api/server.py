"""The server of HTTP: uvicorn, with connections that give up on whoever does not go on."""

import uvicorn
from fastapi import FastAPI

from api.connections import Connection, allow_open_files
from spatial.settings import Settings


def server_of(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return the server of an app: what it says of itself and of requests, and how much of one it holds."""
    Connection.most = allow_open_files()
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),  # else whoever asks could name any address as its own
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=5,
        loop="uvloop",
    )
    return uvicorn.Server(config)
