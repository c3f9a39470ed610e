"""Places told in words, as dispatchers receive them, become points."""

from spatial.places.finding import find
from spatial.places.model import Found, Said, Written
from spatial.places.written import read_written

__all__ = ["Found", "Said", "Written", "find", "read_written"]
