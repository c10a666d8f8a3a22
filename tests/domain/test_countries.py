"""The rules of a country: read from its file, never looser than they were written, and refused when they make no sense."""

import tomllib
from datetime import date, time
from pathlib import Path

import pytest

from retarget_plugin.domain import countries
from retarget_plugin.domain.calendars import Window
from retarget_plugin.domain.consent import Relation
from retarget_plugin.domain.vocabulary import Channel

FOLDER = Path(countries.__file__).parent.parent / "countries"
FILES = {path.stem: tomllib.loads(path.read_text()) for path in FOLDER.glob("*.toml")}
SHIPPED = {"be", "ca", "de", "es", "fr", "gb", "it", "us"}
ORIGIN = {"source": "somewhere", "status": "V", "read_on": date(2026, 11, 22)}


def rules(**changes):
    """Data of a country of which everything is known."""
    hours = {"from": time(9), "until": time(20), **ORIGIN}
    channel = {
        "hours": hours,
        "weekdays": {"forbidden": [], **ORIGIN},
        "holidays": {"forbidden": False, **ORIGIN},
        "consent": {"written": False, **ORIGIN},
        "double_opt_in": {"required": False, **ORIGIN},
        "customer": {"after": "sale", "months": 12, "similar_goods": True, **ORIGIN},
    }
    return {"email": channel, "sms": channel | changes}


def parse(data, code="FR"):
    return countries.parse(code, data, strictest=FILES["default"], file="fr.toml")


def windows(country, channel=Channel.SMS):
    return {rule.name: list(rule.windows) for rule in country.rules[channel]}


def test_france_asks_for_working_hours_and_no_sunday_or_holiday():
    assert windows(parse(FILES["fr"])) == {
        "hours": [Window(start=time(8), end=time(20))],
        "weekdays": [Window(weekdays=frozenset(range(6)))],
        "holidays": [Window(holidays_of="FR"), Window(holidays_of="FR-57")],
    }


def test_where_nothing_was_read_the_strictest_counts():
    germany = parse(FILES["de"], "DE")

    assert windows(germany) == {
        "hours": [Window(start=time(9), end=time(20))],
        "weekdays": [Window(weekdays=frozenset(range(6)))],
        "holidays": [Window(holidays_of="DE")],
    }
    assert germany.rules[Channel.SMS][0].source == FILES["default"]["sms"]["hours"]["source"]


def test_the_default_is_as_strict_as_every_country():
    assert set(FILES) == SHIPPED | {"default"}
    latest, earliest = FILES["default"]["sms"]["hours"]["from"], FILES["default"]["sms"]["hours"]["until"]

    for code in SHIPPED:
        asked = windows(countries.parse(code.upper(), FILES[code], strictest=FILES["default"], file=f"{code}.toml"))
        (hours,), (weekdays,) = asked["hours"], asked["weekdays"]
        assert hours.start <= latest < earliest <= hours.end
        assert weekdays.weekdays == frozenset(range(6))
        assert asked["holidays"][0] == Window(holidays_of=code.upper())


@pytest.mark.parametrize("channel", Channel)
def test_no_country_asks_for_more_than_the_default(channel):
    default = parse(dict.fromkeys(Channel, "strictest")).terms[channel]

    assert default.consent.is_written and default.double_opt_in.is_required and default.customer.similar_only
    assert default.customer.relation is Relation.NOTHING
    assert all(parse(FILES[code]).terms[channel].customer.months >= default.customer.months for code in SHIPPED)


@pytest.mark.parametrize("code", sorted(SHIPPED))
def test_every_rule_says_where_and_when_it_was_read(code):
    country = countries.parse(code.upper(), FILES[code], strictest=FILES["default"], file=f"{code}.toml")

    for channel in Channel:
        assert [rule.name for rule in country.rules[channel]] == ["hours", "weekdays", "holidays"]
        assert all(rule.source and rule.status in countries.Status for rule in country.rules[channel])
        assert all(rule.read_on >= date(2026, 1, 1) for rule in country.rules[channel])
        terms = country.terms[channel]
        for asked in (terms.consent, terms.double_opt_in, terms.customer):
            assert asked.source and asked.status in countries.Status and asked.read_on >= date(2026, 1, 1)


def test_e_mail_may_be_written_at_any_hour():
    for rule in parse(FILES["fr"]).rules[Channel.EMAIL]:
        assert all(window.is_always for window in rule.windows)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, 'fr.toml: email must be a table, or "strictest".'),
        (rules() | {"fax": {}}, "fr.toml: unknown key 'fax'; known are email, sms."),
        (
            rules(colour={}),
            "fr.toml: sms: unknown key 'colour'; known are consent, customer, double_opt_in, holidays, hours, weekdays.",
        ),
        (rules(hours={}), 'fr.toml: sms.hours must be a table, or "strictest".'),
        (rules(hours="any"), 'fr.toml: sms.hours must be a table, or "strictest".'),
        (
            rules(hours={"from": "8", "until": time(20), **ORIGIN}),
            "fr.toml: sms.hours.from is '8'; it must be a time, such as 08:00:00.",
        ),
        (
            rules(hours={"from": time(22), "until": time(6), **ORIGIN}),
            "fr.toml: sms.hours.until is 06:00:00, which is not after 22:00:00.",
        ),
        (
            rules(weekdays={"forbidden": ["sonntag"], **ORIGIN}),
            "fr.toml: sms.weekdays.forbidden is ['sonntag']; it must be a list of monday, tuesday, wednesday, thursday, "
            "friday, saturday, sunday.",
        ),
        (
            rules(holidays={"forbidden": "yes", **ORIGIN}),
            "fr.toml: sms.holidays.forbidden is 'yes'; it must be true or false.",
        ),
        (
            rules(holidays={"forbidden": True, "regions": "57", **ORIGIN}),
            "fr.toml: sms.holidays.regions is '57'; it must be a list such as [\"57\"].",
        ),
        (
            rules(consent={"written": "yes", **ORIGIN}),
            "fr.toml: sms.consent.written is 'yes'; it must be true or false.",
        ),
        (
            rules(double_opt_in={"required": True, "how": "letter", **ORIGIN}),
            "fr.toml: sms.double_opt_in: unknown key 'how'; known are read_on, required, source, status.",
        ),
        (
            rules(customer={"after": "a chat", "months": 12, "similar_goods": True, **ORIGIN}),
            "fr.toml: sms.customer.after is 'a chat'; it must be one of nothing, sale, negotiation.",
        ),
        (
            rules(customer={"after": "sale", "months": 0, "similar_goods": True, **ORIGIN}),
            "fr.toml: sms.customer.months is 0; it must be a number of months.",
        ),
        (
            rules(customer={"after": "sale", "months": 12, "similar_goods": True, "read_on": date(2026, 1, 1)}),
            "fr.toml: sms.customer.source must say where the rule was read.",
        ),
        (
            rules(weekdays={"forbidden": [], "source": " ", "status": "V", "read_on": date(2026, 1, 1)}),
            "fr.toml: sms.weekdays.source must say where the rule was read.",
        ),
        (
            rules(weekdays={"forbidden": [], "source": "it", "status": "sure", "read_on": date(2026, 1, 1)}),
            "fr.toml: sms.weekdays.status is 'sure'; it must be one of V, S, U.",
        ),
        (
            rules(weekdays={"forbidden": [], "source": "it", "status": "V", "read_on": "today"}),
            "fr.toml: sms.weekdays.read_on is 'today'; it must be a date, such as 2026-11-22.",
        ),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_key(data, problem):
    with pytest.raises(countries.CountryError) as refused:
        parse(data)

    assert problem in refused.value.problems


def test_every_problem_is_told_at_once():
    with pytest.raises(countries.CountryError) as refused:
        parse(rules(hours={"from": time(9), "until": time(20)}, weekdays={**ORIGIN}))

    assert len(refused.value.problems) == 4
