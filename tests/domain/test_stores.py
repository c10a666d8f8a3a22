"""Opening hours as owners write them, and the store that is nearest."""

import pytest

from retarget_plugin.domain.stores import distance, nearest, parse_hours, write_hours


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("09:30-12:30, 14:00-19:00", "09:30–12:30, 14:00–19:00"),
        ("9h30 - 12h30,14.00–19.00", "09:30–12:30, 14:00–19:00"),
        ("00:00-23:59", "00:00–23:59"),
        ("", ""),
        (" , ", ""),
    ],
)
def test_hours_have_one_normal_form(written, normal):
    assert write_hours(parse_hours(written)) == normal
    assert write_hours(parse_hours(normal)) == normal


@pytest.mark.parametrize(
    "written",
    [
        "9-12",
        "open",
        "09:00",
        "12:00-09:00",
        "09:00-09:00",
        "24:00-25:00",
        "09:60-10:00",
        "09:00-12:00, 11:00-13:00",
        "14:00-19:00, 09:00-12:00",
        "٠٩:٠٠-١٢:٠٠",
        "22:00-02:00",
    ],
)
def test_hours_that_cannot_be_are_refused(written):
    with pytest.raises(ValueError, match=r".+"):
        parse_hours(written)


PARIS, LYON, LONDON = (48.8566, 2.3522), (45.7640, 4.8357), (51.5074, -0.1278)


@pytest.mark.parametrize(
    ("one", "other", "kilometers"),
    [
        (PARIS, PARIS, 0),
        (PARIS, LYON, 391),
        (LYON, PARIS, 391),
        (PARIS, LONDON, 344),
        ((0, 179.5), (0, -179.5), 111),
        ((90, 0), (-90, 0), 20_015),
        (PARIS, (None, 2.0), None),
        ((None, None), PARIS, None),
    ],
)
def test_distance_is_along_the_ground(one, other, kilometers):
    found = distance(one, other)

    assert (round(found) if found is not None else None) == kilometers


def test_the_nearest_place_within_reach_is_found():
    places = {"lyon": LYON, "london": LONDON, "nowhere": (None, None)}

    key, kilometers = nearest(PARIS, places, within=350)

    assert (key, round(kilometers)) == ("london", 344)
    assert nearest(PARIS, places, within=340) is None
    assert nearest(PARIS, {}, within=340) is None
    assert nearest((None, None), places, within=340) is None
