"""Places told in words, as dispatchers receive them, become points."""

from spatial.places.finding import LONGEST, MOST, find, told
from spatial.places.model import Found, Said, Told, Written
from spatial.places.written import read_written

__all__ = ["LONGEST", "MOST", "Found", "Said", "Told", "Written", "find", "read_written", "told"]
