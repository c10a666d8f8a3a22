"""The country and the zones behind a phone number."""

import pytest

from retarget_plugin.domain import whereabouts


@pytest.mark.parametrize(
    ("phone", "country"),
    [
        ("+33612345678", "FR"),
        ("+12125551234", "US"),
        ("+16045551234", "CA"),
        ("+447400123456", "GB"),
        ("+447700900123", "GB"),  # no number that anybody has: the main country of its code
        ("+883510000000", ""),  # a network, in no country
        ("junk", ""),
        ("", ""),
    ],
)
def test_a_number_has_a_country(phone, country):
    assert whereabouts.country_of(phone) == country


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        ("+33612345678", {"Europe/Paris"}),
        ("+12125551234", {"America/New_York"}),  # an area of its own
        ("+34612345678", {"Europe/Madrid", "Atlantic/Canary", "Africa/Ceuta"}),
        ("+212650123456", {"Africa/Casablanca"}),  # and not what keeps nearly the same time
        ("+18765551234", {"America/Jamaica"}),  # of all the countries behind +1
        ("+999123", set()),
        ("junk", set()),
    ],
)
def test_a_number_has_the_zones_its_holder_may_be_in(phone, zones):
    assert set(whereabouts.zones_of(phone)) == zones


def test_a_mobile_number_of_a_wide_country_may_be_at_either_end_of_it():
    zones = whereabouts.zones_of("+79161234567")

    assert {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Kamchatka"} <= set(zones)
    assert "Asia/Almaty" not in zones


@pytest.mark.parametrize(
    ("zone", "phone", "is_at_home"),
    [
        ("Europe/Paris", "+33612345678", True),
        ("America/Los_Angeles", "+12125551234", True),  # moved, and kept the number
        ("US/Pacific", "+12125551234", True),
        ("Asia/Calcutta", "+919812345678", True),
        ("Asia/Tokyo", "+33612345678", False),
        ("Europe/Paris", "", False),
        ("Europe/Paris", "+3x", False),
    ],
)
def test_a_zone_is_at_home_in_the_countries_that_share_the_calling_code(zone, phone, is_at_home):
    assert whereabouts.is_at_home(zone, phone) is is_at_home
