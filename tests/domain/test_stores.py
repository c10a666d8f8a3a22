"""Opening hours as owners write them."""

import pytest

from retarget_plugin.domain.stores import parse_hours, write_hours


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
