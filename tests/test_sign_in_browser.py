"""Signing in and out in a real browser, and a page of another site that tries to use it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, expect
from sqlalchemy import func, select

from api.app import create_app
from maps.texts import say
from spatial.postgresql import API
from spatial.settings import Settings
from spatial.tables import BrowserSession, Job
from tests.access_world import Precinct
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, running
from tests.test_browser import browser, visit

__all__ = ["browser", "visit"]  # fixtures


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Yield the address of a service on loopback."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    serving = threading.Thread(target=server.run)
    serving.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    serving.join()


@pytest.fixture
def service(precinct: Precinct) -> Iterator[str]:
    """Yield the address of a service that has no demo, for it is reached from elsewhere, too."""
    database = precinct.database.as_login(API)
    with served(create_app(database, Settings(host="0.0.0.0"))) as url:  # noqa: S104  settings alone: it listens on loopback
        yield url
    database.engine.dispose()


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_from_a_page_to_the_sign_in_and_back(visit: Callable, service: str, precinct: Precinct, lang: str) -> None:
    """Who asks for something is led to the sign-in, told of a wrong token, let in to it, and out again."""
    with visit(f"{service}/units", lang=lang, forgiven="401") as page:
        expect(page.locator("h2")).to_have_text(say("sign-in.title", lang))
        page.locator("input[name=token]").fill("wrong")
        page.locator("form button").click()
        expect(page.locator(".problem")).to_have_text(say("fault.token-refused", lang))
        page.locator("input[name=token]").fill(precinct.tokens["viewer-whole"])
        page.locator("form button").click()
        page.wait_for_url(f"{service}/units")
        page.goto(f"{service}/?lang={lang}")
        expect(page.locator(".who")).to_contain_text("viewer-whole")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name=say("sign-in.out", lang)).click()
        expect(page.locator("input[name=token]")).to_be_visible()
    with precinct.database.read() as session:
        assert session.scalar(select(func.count()).select_from(BrowserSession)) == 0


EVIL = """<form method="post" action="{url}/layers/police/check"></form>
<script>fetch("{url}/layers/police/check", {{ method: "POST", credentials: "include", mode: "no-cors" }})
  .finally(() => document.forms[0].submit());</script>"""


def test_a_page_elsewhere_does_nothing(browser: Browser, service: str, precinct: Precinct) -> None:
    """With somebody signed in as a planner, a form and a fetch of another site start no job."""

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL.format(url=service).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"{service}/sign-in")
    page.locator("input[name=token]").fill(precinct.tokens["planner-whole"])
    page.locator("form button").click()
    page.wait_for_url(f"{service}/")
    with page.expect_navigation(url=f"{service}/layers/police/check") as arrived:
        page.goto(f"http://localhost:{elsewhere.server_port}/")  # another site than 127.0.0.1
    assert arrived.value.status == 403
    with precinct.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
    page.close()
    elsewhere.shutdown()
    elsewhere.server_close()


def test_the_provider_leads_back_to_the_page(browser: Browser, precinct: Precinct) -> None:
    """From the sign-in page to the provider and back, a browser arrives signed in where it wanted to go."""
    from spatial import access
    from spatial.access.service import set_login

    database = precinct.database.as_login(API)
    with precinct.database.write() as session:
        set_login(session, access.operator("t"), "viewer-whole", "li.si")
    with running() as provider:
        said = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        with served(create_app(database, Settings(host="0.0.0.0", language="en", **said))) as url:  # noqa: S104
            page = browser.new_page()
            page.goto(f"{url.replace('127.0.0.1', 'localhost')}/maps/grids?lang=en")
            page.locator("a.button").click()
            page.wait_for_url("http://localhost:*/maps/grids?lang=en")
            page.goto(f"{url.replace('127.0.0.1', 'localhost')}/?lang=en")
            expect(page.locator(".who")).to_contain_text("viewer-whole")
            page.close()
    database.engine.dispose()
