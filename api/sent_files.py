"""A file that is written for one answer, and is gone once that is sent."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.background import BackgroundTask


def sent_file(name: str, media: str, write: Callable[[Path], None]) -> FileResponse:
    """Return a file as an answer, written by `write`; where that fails, nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="twingrid-"))
    try:
        write(folder / name)
    except BaseException:
        shutil.rmtree(folder)
        raise
    tidy = BackgroundTask(shutil.rmtree, folder)
    return FileResponse(folder / name, media_type=media, filename=name, background=tidy)
