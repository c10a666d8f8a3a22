"""An .ics file as calendars read it (RFC 5545)."""

from datetime import UTC, datetime

from retarget_plugin.domain.invitations import write

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def unfolded(data: bytes) -> list[str]:
    return data.decode().replace("\r\n ", "").split("\r\n")


def test_an_event_is_a_whole_calendar():
    data = write("m-1@shop.example", title="Soup", starts_at=NOW, minutes=90, url="https://a.example/x", now=NOW)

    assert unfolded(data) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//retarget_plugin//invitations//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        "UID:m-1@shop.example",
        "DTSTAMP:20261124T090000Z",
        "DTSTART:20261124T090000Z",
        "DTEND:20261124T103000Z",
        "SUMMARY:Soup",
        "DESCRIPTION:https://a.example/x",
        "LOCATION:https://a.example/x",
        "URL:https://a.example/x",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


def test_text_cannot_become_another_line():
    data = write(
        "1", title="A\r\nATTENDEE:mailto:x@evil.example\x00", starts_at=NOW, minutes=1, text="a;b,c\\d\ne", now=NOW
    )

    assert "SUMMARY:A\\nATTENDEE:mailto:x@evil.example" in unfolded(data)
    assert "DESCRIPTION:a\\;b\\,c\\\\d\\ne" in unfolded(data)
    assert len(unfolded(data)) == 15


def test_no_line_is_longer_than_75_octets_and_none_breaks_a_character():
    title = "Soupe à l’oignon 🍲 " * 20

    data = write("1", title=title, starts_at=NOW, minutes=1, now=NOW)

    assert max(len(line) for line in data.split(b"\r\n")) <= 75
    assert f"SUMMARY:{title}" in unfolded(data)
