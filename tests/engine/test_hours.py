"""When a shop may write to a contact: its own hours, the country's, and the zones the contact may be in."""

import shutil
import zoneinfo
from datetime import UTC, datetime, time
from importlib import resources
from pathlib import Path

import pytest

from retarget_plugin.engine import countries, hours
from retarget_plugin.models import Contact, Decision, FlowRun, Message, Shop

FRENCH, AMERICAN, SPANISH, GERMAN = "+33612345678", "+12125551234", "+34612345678", "+4915112345678"
MOROCCAN = "+212612345678"


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opening(now, *, channel="sms", shop=None, **contact):
    return hours.next_allowed(Contact(**contact), shop or Shop(), channel, now=utc(now))


def opens(now, **facts):
    return opening(now, **facts).at


@pytest.mark.parametrize(
    ("contact", "now", "expected"),
    [
        # A Tuesday: 8:00 to 20:00 in France, an hour ahead of UTC.
        ({"phone": FRENCH}, "2026-11-24 06:59", "2026-11-24 07:00"),
        ({"phone": FRENCH}, "2026-11-24 18:59", "2026-11-24 18:59"),
        ({"phone": FRENCH}, "2026-11-24 19:00", "2026-11-25 07:00"),
        # Sunday; the national holiday; Good Friday, which is one in Alsace-Moselle.
        ({"phone": FRENCH}, "2026-11-22 10:00", "2026-11-23 07:00"),
        ({"phone": FRENCH}, "2026-07-14 10:00", "2026-07-15 06:00"),
        ({"phone": FRENCH}, "2026-04-03 10:00", "2026-04-04 06:00"),
        # Nothing was read of Germany: nine o'clock, and its own holidays instead of the shop's.
        ({"phone": GERMAN}, "2026-11-24 07:00", "2026-11-24 08:00"),
        ({"phone": GERMAN}, "2026-07-14 10:00", "2026-07-14 10:00"),
        ({"phone": GERMAN}, "2026-10-03 10:00", "2026-10-05 07:00"),
        # Boxing Day is a Saturday in 2026 and kept on Monday; 2 January is a holiday in Scotland only.
        ({"country": "GB", "time_zone": "Europe/London"}, "2026-12-26 10:00", "2026-12-29 09:00"),
        ({"country": "gb", "time_zone": "Europe/London"}, "2027-01-02 10:00", "2027-01-05 09:00"),
        ({"phone": AMERICAN}, "2026-11-24 13:00", "2026-11-24 14:00"),
        # The contact's own country counts before that of the number.
        ({"phone": GERMAN, "country": "FR"}, "2026-11-24 07:00", "2026-11-24 07:00"),
        # A country that does not exist says nothing; without any, the strictest of all.
        ({"phone": FRENCH, "country": "XX"}, "2026-07-14 10:00", "2026-07-15 06:00"),
    ],
)
def test_texts_keep_the_hours_and_days_of_the_contacts_country(contact, now, expected):
    assert opens(now, **contact) == utc(expected)


@pytest.mark.parametrize(
    ("contact", "now", "expected"),
    [
        # Mobile numbers of Spain are used on the Canaries too, an hour behind.
        ({"phone": SPANISH}, "2026-11-24 08:30", "2026-11-24 09:00"),
        ({"phone": SPANISH, "time_zone": "Europe/Madrid"}, "2026-11-24 08:30", "2026-11-24 08:30"),
        ({"phone": SPANISH, "time_zone": "Mars/Olympus"}, "2026-11-24 08:30", "2026-11-24 09:00"),
        # In another American zone than the number's: moved. In Tokyo with a French number: who knows.
        ({"phone": AMERICAN, "time_zone": "America/Los_Angeles"}, "2026-11-24 15:00", "2026-11-24 17:00"),
        ({"phone": FRENCH, "time_zone": "Asia/Tokyo"}, "2026-11-24 11:00", "2026-11-25 07:00"),
        # No number: the shop's zone.
        ({}, "2026-11-24 06:00", "2026-11-24 07:00"),
    ],
)
def test_a_text_waits_until_every_zone_the_contact_may_be_in_allows_it(contact, now, expected):
    assert opens(now, **contact) == utc(expected)


def test_mail_is_read_in_the_contacts_zone_or_else_in_the_shops():
    shop = Shop(time_zone="Europe/Paris", email_from=time(9), email_until=time(17))

    assert opens("2026-11-22 03:00", channel="email", shop=shop, phone=AMERICAN) == utc("2026-11-22 08:00")
    assert opens("2026-11-22 03:00", channel="email", shop=shop, time_zone="Asia/Tokyo") == utc("2026-11-22 03:00")
    assert opens("2026-11-22 03:00", channel="email", shop=Shop(time_zone="Mars/Olympus")) == utc("2026-11-22 03:00")


def test_the_shops_hours_only_narrow_the_countrys():
    wide, narrow = Shop(sms_from=time(6), sms_until=time(23)), Shop(sms_from=time(10), sms_until=time(12))

    assert opens("2026-11-24 05:00", shop=wide, phone=FRENCH) == utc("2026-11-24 07:00")
    assert opens("2026-11-24 20:30", shop=wide, phone=FRENCH) == utc("2026-11-25 07:00")
    assert opens("2026-11-24 05:00", shop=narrow, phone=FRENCH) == utc("2026-11-24 09:00")
    assert opens("2026-11-24 11:00", shop=narrow, phone=FRENCH) == utc("2026-11-25 09:00")


def test_hours_over_midnight_keep_out_of_a_forbidden_day_and_are_free_the_morning_after():
    shop = Shop(sms_from=time(18), sms_until=time(10))

    assert opens("2026-11-21 19:00", shop=shop, phone=FRENCH) == utc("2026-11-23 07:00")
    assert opens("2026-11-23 09:00", shop=shop, phone=FRENCH) == utc("2026-11-23 17:00")


def test_the_owner_may_lift_sundays_and_holidays_for_texts():
    on_sundays, on_holidays = Shop(sms_on_sundays=True), Shop(sms_on_holidays=True)

    assert opens("2026-11-22 10:00", shop=on_sundays, phone=FRENCH) == utc("2026-11-22 10:00")
    assert opens("2026-07-14 10:00", shop=on_sundays, phone=FRENCH) == utc("2026-07-15 06:00")
    assert opens("2026-07-14 10:00", shop=on_holidays, phone=FRENCH) == utc("2026-07-14 10:00")
    assert opens("2026-11-22 10:00", shop=on_holidays, phone=FRENCH) == utc("2026-11-23 07:00")


def test_an_answer_that_is_not_at_once_says_which_rule_and_who_says_so():
    found = opening("2026-11-22 10:00", phone=SPANISH, country="FR")

    assert found.facts == {
        "zone": "Africa/Ceuta, Atlantic/Canary, Europe/Madrid",
        "country": "FR",
        "rule": "weekdays",
        "source": countries.rules_of("FR").rules["sms"][1].source,
        "opens": "2026-11-23T08:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("now", "rule"),
    [
        ("2026-11-24 06:00", "hours"),
        ("2026-11-24 07:30", "shop"),
        ("2026-11-22 10:00", "weekdays"),
        ("2026-07-14 10:00", "holidays"),
    ],
)
def test_the_rule_that_forbids_now_is_named(now, rule):
    found = opening(now, shop=Shop(sms_from=time(9), sms_until=time(19)), phone=FRENCH)

    assert found.facts["rule"] == rule


def test_hours_that_never_meet_the_countrys_are_never_and_both_are_named():
    found = opening("2026-11-22 10:00", shop=Shop(sms_from=time(20), sms_until=time(22)), phone=FRENCH)

    assert found.at is None
    assert (found.facts["rule"], found.facts["opens"]) == ("hours, shop", "")


def test_three_weeks_are_counted_from_now_and_not_from_its_midnight():
    # While Morocco keeps Ramadan's clock, no evening there is a morning on Lord Howe Island within these hours.
    late = {"shop": Shop(sms_until=time(21, 30)), "phone": MOROCCAN, "time_zone": "Australia/Lord_Howe"}

    assert opens("2030-01-21 17:07", **late) == utc("2030-02-11 08:00")
    assert opens("2030-01-21 08:00", **late) == utc("2030-02-11 08:00")
    assert opens("2030-01-21 07:59", **late) is None


def test_an_allowed_instant_is_answered_to_the_microsecond():
    now = datetime(2026, 11, 24, 18, 59, 59, 999_999, tzinfo=UTC)

    assert hours.next_allowed(Contact(phone=FRENCH), Shop(), "sms", now=now) == hours.Opening(now)


# --- new rules for a zone --------------------------------------------------------------------------------------


@pytest.fixture
def paris_moves_to_utc(tmp_path):
    """Call it, and the zone files say from then on that Paris keeps UTC, as after an update and a restart."""
    before = zoneinfo.TZPATH

    def move():
        # The zone files of this machine, or those of the package where it has none.
        source = next((Path(folder) for folder in before if Path(folder, "Etc/UTC").is_file()), None)
        source = source or Path(str(resources.files("tzdata")), "zoneinfo")
        (tmp_path / "Europe").mkdir()
        shutil.copy(source / "Etc/UTC", tmp_path / "Europe/Paris")
        zoneinfo.reset_tzpath([str(tmp_path), *before])
        zoneinfo.ZoneInfo.clear_cache()

    yield move
    zoneinfo.reset_tzpath(before)
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.promise
def test_new_rules_for_a_zone_move_what_waits_for_a_local_hour_and_nothing_else(
    shopping, mailoutbox, promise, paris_moves_to_utc
):
    shopping.shop.email_from, shopping.shop.email_until = time(16), time(20)
    shopping.shop.save()
    shopping.consent("email")
    shopping.leave_cart()
    # Due at two in the afternoon, it waits for four: three o'clock UTC, by the old rules.
    shopping.wait(hours=4, minutes=30)
    waiting = Message.objects.get()
    assert waiting.due_at == utc("2026-11-24 15:00")
    instants = list(FlowRun.objects.values_list("due_at", flat=True))

    paris_moves_to_utc()
    shopping.wait(hours=1, minutes=30)
    at_the_old_hour = len(mailoutbox)
    waiting.refresh_from_db()
    moved_to = waiting.due_at
    moved_instants = [due for due in FlowRun.objects.values_list("due_at", flat=True) if due not in instants]
    shopping.wait(hours=1)

    assert Decision.objects.filter(code="quiet_hours", facts__zone="Europe/Paris").count() == 2
    promise(
        "T8",
        run="a message that waits for four o'clock in Paris and a run that waits for an instant; then Paris moves to UTC",
        figure=f"sent at the old hour {at_the_old_hour}, moved to {moved_to:%H:%M} UTC and sent then {len(mailoutbox)}; "
        f"instants moved {len(moved_instants)}",
        bar="0, 16:00 UTC, 1; 0",
        holds=(at_the_old_hour, moved_to, len(mailoutbox)) == (0, utc("2026-11-24 16:00"), 1) and not moved_instants,
    )
