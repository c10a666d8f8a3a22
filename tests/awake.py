"""Phone numbers of people who may be texted for hours to come, at whatever hour the tests are run.

Real workers go by the database's clock, and countries forbid the evening and the night whatever the shop's owner wants.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

# How a mobile number starts, seven digits before its end, and the clock of its holder. All end in 7: other ends make the
# gateway of tests.fakes.plain_gateway answer badly.
PLACES = [
    ("+5191", ZoneInfo("America/Lima")),
    ("+3361", ZoneInfo("Europe/Paris")),
    ("+91981", ZoneInfo("Asia/Kolkata")),
    ("+81901", ZoneInfo("Asia/Tokyo")),
    ("+6421", ZoneInfo("Pacific/Auckland")),
]
# No country opens later, where its people may live in a zone or two.
MORNING = timedelta(hours=10)


def number_of(person: int, *, now: datetime) -> str:
    """The number of somebody whose day began last, in E.164."""
    start, _zone = min(PLACES, key=lambda place: _since_morning(now.astimezone(place[1])))
    return f"{start}{120_000 + person}7"


def _since_morning(clock: datetime) -> timedelta:
    return (timedelta(hours=clock.hour, minutes=clock.minute) - MORNING) % timedelta(days=1)
