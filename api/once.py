"""What is made of a value once, and kept as long as the value lives."""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Made = TypeVar("Made")
Key = tuple[int, tuple[Hashable, ...]]


class Once(Generic[Value, Made]):
    """A function of a value, told by identity, and of what else is asked; what was asked for last is kept.

    To compare or to hash the value would take longer than to make anew what is kept.
    """

    def __init__(self, make: Callable[..., Made], most: int) -> None:
        self._make, self._most = make, most
        self._kept: OrderedDict[Key, tuple[weakref.ref[Any], Made]] = OrderedDict()

    def __call__(self, value: Value, *more: Hashable) -> Made:
        """Return what is made of a value."""
        key = (id(value), more)
        kept = self._kept.get(key)
        if kept is not None and kept[0]() is value:
            self._kept.move_to_end(key)
            return kept[1]
        made = self._make(value, *more)
        self._kept[key] = weakref.ref(value, lambda _: self._kept.pop(key, None)), made
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made
