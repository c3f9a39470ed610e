"""Functions that are compiled to machine code: once per machine, then kept under the data folder for every process."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

from spatial.errors import TwingridError
from spatial.files import private_folder
from spatial.settings import settings

Given = ParamSpec("Given")
Found = TypeVar("Found")
FOLDER = "compiled"


def _is_kept() -> bool:
    """Say where compiled code is kept; whether it can be kept at all."""
    try:
        folder = private_folder(settings().data_dir / FOLDER)
        (folder / ".writable").touch()
    except (OSError, TwingridError):
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # made from the environment
    return True


_KEPT = _is_kept()


def compiled(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """Compile a function when it is first called with arguments of some types; it runs without the interpreter's lock.

    Where the data folder cannot be written to, each process compiles for itself.
    """
    made: Callable[Given, Found] = numba.njit(cache=_KEPT, nogil=True)(function)
    return made
