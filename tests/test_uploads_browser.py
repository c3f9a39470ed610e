"""The page of imports in a real browser: a file is sent, its dry run is read, and it is written at a click."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import expect

from api import worker
from api.app import create_app
from spatial.db import Database
from spatial.settings import Settings
from tests.importing import rows
from tests.test_browser import browser, visit
from tests.test_uploads import SOURCES, config, database

__all__ = ["browser", "config", "database", "visit"]  # fixtures


@pytest.fixture
def server(database: Database, config: Settings) -> Iterator[str]:
    """Yield the address of a service with its worker."""
    serving = uvicorn.Server(uvicorn.Config(create_app(database, config), port=0, log_level="warning"))
    stop = threading.Event()
    threads = [threading.Thread(target=serving.run), threading.Thread(target=worker.work, args=(database, stop))]
    for thread in threads:
        thread.start()
    while not serving.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{serving.servers[0].sockets[0].getsockname()[1]}"
    stop.set()
    serving.should_exit = True
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("lang", "dry", "done"), [("zh-CN", "试运行：完成", "写入：完成"), ("en", "Dry run: done", "Import: done")]
)
def test_a_file_is_sent_read_and_written(
    visit: Callable, server: str, database: Database, tmp_path: Path, lang: str, dry: str, done: str
) -> None:
    """The page shows what would be, and after a click what was; a fault of the form is told on it."""
    file = tmp_path / "sources.csv"
    file.write_text(SOURCES, encoding="utf-8")
    with visit(f"{server}/", lang=lang, forgiven="400") as page:
        page.context.add_cookies([{"name": "twingrid_demo", "value": "demo-system_admin", "url": server}])
        page.goto(f"{server}/imports?lang={lang}")
        page.locator("#subject").select_option("sources")
        page.locator("input[name=file]").set_input_files(file)
        page.locator("input[name=encoding]").fill("utf-8")
        page.locator("input[name=effective]").fill("tomorrow")
        page.locator("#send button").click()
        expect(page.locator("#problem")).to_contain_text("effective")
        page.locator("input[name=effective]").fill("")
        page.locator("#send button").click()
        expect(page.locator(".state")).to_contain_text(dry, timeout=30_000)
        expect(page.locator(".figures .new dd")).to_have_text("2")
        assert rows(database, "SELECT count(*) FROM source") == [(0,)]
        page.locator("#commit").click()
        expect(page.locator(".state")).to_contain_text(done, timeout=30_000)
        expect(page.locator("#commit")).to_have_count(0)
    assert rows(database, "SELECT code FROM source ORDER BY code") == [("110",), ("12345",)]
