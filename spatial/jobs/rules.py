"""When a job is tried again, and when what is scheduled is due."""

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=10)
SPREAD = 0.25  # of a wait, by which jobs that failed together are drawn apart


def back_off(job_id: UUID, tried: int) -> timedelta:
    """Return how long a job waits after so many tries: twice as long each time, and a little more, its own share."""
    share = zlib.crc32(job_id.bytes + tried.to_bytes(4, "big")) / 2**32
    doubled: int = 2 ** min(tried - 1, 20)
    return min(FIRST_RETRY * doubled, LONGEST_RETRY) * (1 + SPREAD * share)


@dataclass(frozen=True)
class Schedule:
    """A kind of job that is queued at an hour of the deployment's clock: each day, or on one day of the week."""

    kind: str
    at: time
    weekday: int | None = None  # 0 is Monday, as `date.weekday`

    def slot(self, day: date, zone: ZoneInfo) -> datetime | None:
        """Return the instant of a day's slot; None where the day has none.

        Of an hour that the clock shows twice the first counts; for one that it leaves out, that hour after the
        last change of the clock, so that every day has its slot just once.
        """
        if self.weekday not in {None, day.weekday()}:
            return None
        return datetime.combine(day, self.at, zone).astimezone(UTC)

    def latest(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return the newest slot that is not after `now`: of many that were missed, this one is made up for."""
        return max(slot for slot in self._around(now, zone) if slot <= now)

    def next(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Return the first slot after `now`."""
        return min(slot for slot in self._around(now, zone) if slot > now)

    def _around(self, now: datetime, zone: ZoneInfo) -> list[datetime]:
        today = now.astimezone(zone).date()
        days = (today + timedelta(days=offset) for offset in range(-8, 9))
        return [slot for day in days if (slot := self.slot(day, zone)) is not None]
