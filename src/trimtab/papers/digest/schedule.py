"""When a digest is due: at an hour of the day, or of one day of the week, where the subscriber lives.

The calendar is that of the time zone, so a day may last 23 or 25 hours. An hour that a zone skips in spring
counts as the same distance from midnight, and one that it has twice in autumn as its first.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from trimtab.base.errors import InvalidArgument, message

__all__ = ["Every", "last_due", "local_day", "open_zone"]

Every: TypeAlias = Literal["daily", "weekly"]

_DAY = timedelta(days=1)


def open_zone(name: str) -> ZoneInfo:
    """The time zone of a name, such as "Europe/Paris".

    Raises:
        InvalidArgument: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise InvalidArgument(
            message(
                "there is no such time zone",
                got=name,
                allowed="a name of the tz database, such as UTC, Europe/Paris or America/New_York",
            )
        ) from error


def local_day(now: float, zone: str) -> date:
    """The day that it is in a zone.

    Arguments:
        now: seconds since the Unix epoch.
    """
    return datetime.fromtimestamp(now, open_zone(zone)).date()


def last_due(every: Every, zone: str, hour: int, weekday: int, now: float) -> float:
    """The last moment at or before `now` at which a digest was due, in seconds since the Unix epoch.

    A digest is owed when none was made for this moment yet. However many were missed, it is one.

    Arguments:
        every: "daily", or "weekly": on the weekday only.
        zone: of the calendar.
        hour: of the day, 0 to 23.
        weekday: 0 is Monday.
        now: seconds since the Unix epoch.
    """
    where = open_zone(zone)
    day = datetime.fromtimestamp(now, where).date()
    while True:
        if every == "daily" or day.weekday() == weekday:
            moment = datetime.combine(day, time(hour), where).astimezone(UTC).timestamp()
            if moment <= now:
                return moment
        day -= _DAY
