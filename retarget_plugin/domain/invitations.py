"""A date for somebody's calendar, as an .ics file (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MEDIA_TYPE = "text/calendar; charset=utf-8"
#: Octets of a line before it is folded (section 3.1).
LINE_OCTETS = 75


def write(
    uid: str,
    *,
    title: str,
    starts_at: datetime,
    minutes: int,
    url: str = "",
    place: str = "",
    text: str = "",
    now: datetime,
) -> bytes:
    """One event as a whole calendar. Instants are aware; written in UTC, so that no reader needs our zone's rules.

    The same `uid` is the same event: opened twice, it stands in the calendar once.
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//retarget_plugin//invitations//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{_text(uid)}",
        f"DTSTAMP:{_instant(now)}",
        f"DTSTART:{_instant(starts_at)}",
        f"DTEND:{_instant(starts_at + timedelta(minutes=minutes))}",
        f"SUMMARY:{_text(title)}",
    ]
    if text or url:
        lines.append(f"DESCRIPTION:{_text(chr(10).join(filter(None, (text, url))))}")
    if place or url:
        lines.append(f"LOCATION:{_text(place or url)}")
    if url:
        lines.append(f"URL:{''.join(url.split())}")
    lines += ["END:VEVENT", "END:VCALENDAR"]
    return b"".join(_folded(line) for line in lines)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(value: str) -> str:
    """A TEXT value (section 3.3.11): no control characters, and the four marks that mean something else escaped."""
    kept = "".join(
        char for char in value.replace("\r\n", "\n").replace("\r", "\n") if char == "\n" or char.isprintable()
    )
    return kept.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> bytes:
    """`line` in pieces of at most 75 octets, none of which ends within a character; the next begins with a blank."""
    pieces, piece, room = [], b"", LINE_OCTETS
    for char in line:
        octets = char.encode("utf-8", "ignore")
        if len(piece) + len(octets) > room:
            pieces.append(piece)
            piece, room = b"", LINE_OCTETS - 1
        piece += octets
    return b"\r\n ".join([*pieces, piece]) + b"\r\n"
