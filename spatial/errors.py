"""Everything that can go wrong on purpose, as one tree.

TwingridError
├── InputError            the caller's input is wrong; carries every fault at once          400
│   ├── GeometryFault     a shape cannot be taken in as it is                                422
│   └── TooLarge          more than is taken in at once                                      413
├── NotFound              the thing named does not exist (at that time)                      404
├── Conflict              the input is right, but the stored state forbids it                409
├── Denied                the actor may not do this                                          403
├── Unauthenticated       nobody said who is asking                                          401
├── TooMany               asked too often; carries retry_after_s                             429
├── Busy                  try again later; carries retry_after_s                             503
└── SetupError            the installation is wrong (missing program, full disk, old schema) 500

`slug` becomes `urn:twingrid:problem:<slug>`; `text` is the key of a sentence in maps/locale, filled from `values`,
so that a person reads the fault in the language of the request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input, with its place: a parameter, a JSON pointer, or `row 7, column code`."""

    where: str
    text: str  # key below "fault" in maps/locale
    values: dict[str, Any] = field(default_factory=dict)


class TwingridError(Exception):
    """The root: a slug for machines, a text key and values for people."""

    slug = "error"

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text, values)
        self.text = text
        self.values = values

    def __str__(self) -> str:
        shown = ", ".join(f"{key}={value!r}" for key, value in self.values.items())
        return f"{self.text} ({shown})" if shown else self.text


class InputError(TwingridError):
    """The caller's input is wrong: all of its faults at once."""

    slug = "invalid-input"

    def __init__(self, faults: Sequence[Fault], text: str = "invalid-input", **values: Any) -> None:
        super().__init__(text, **values)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "; ".join(f"{fault.where}: {fault.text} {fault.values or ''}".rstrip() for fault in self.faults)


class GeometryFault(InputError):
    """A shape cannot be taken in as it is."""

    slug = "geometry-fault"


class TooLarge(InputError):
    """More than is taken in at once."""

    slug = "too-large"


class NotFound(TwingridError):
    """The thing named does not exist, or not at that time."""

    slug = "not-found"


class Gone(TwingridError):
    """What was there once cannot be told any more."""

    slug = "gone"


class Conflict(TwingridError):
    """The input is right, but what is stored forbids it; `told`: what a program needs to go on."""

    slug = "conflict"

    def __init__(self, text: str, told: Any = None, **values: Any) -> None:
        super().__init__(text, **values)
        self.told = told


class Denied(TwingridError):
    """The actor may not do this."""

    slug = "denied"


class Unauthenticated(TwingridError):
    """Nobody said who is asking."""

    slug = "unauthenticated"


class TooMany(TwingridError):
    """Whoever asks has asked too often; the next request is answered after `retry_after_s`."""

    slug = "too-many"

    def __init__(self, text: str, retry_after_s: int, **values: Any) -> None:
        super().__init__(text, retry_after_s=retry_after_s, **values)
        self.retry_after_s = retry_after_s


class Busy(TwingridError):
    """The service cannot answer now; try again after `retry_after_s`."""

    slug = "busy"

    def __init__(self, text: str, retry_after_s: int = 5, **values: Any) -> None:
        super().__init__(text, **values)
        self.retry_after_s = retry_after_s


class SetupError(TwingridError):
    """The installation is wrong: a program is missing, a disk is full, a schema is old. Fixed by an operator."""

    slug = "setup"


def invalid(where: str, text: str, **values: Any) -> InputError:
    """Return an `InputError` of one fault."""
    return InputError([Fault(where, text, values)])
