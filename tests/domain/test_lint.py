"""What a spam filter, a phone or a tired reader would stumble over is told, each thing once."""

import pytest

from retarget_plugin.domain import lint

OWN = lint.hosts("https://shop.example", "https://go.lune.example/x")
STOP = "https://shop.example/stop/1"
PLAIN = f"Hello, have a look: https://shop.example/\nUnsubscribe: {STOP}"
PAGE = f'<p>Hello</p><img src="https://cdn.example/a.jpg" alt="A lamp"><a href="{STOP}">Unsubscribe</a>'


def told(subject="Your order is waiting", html=PAGE, text=PLAIN, stop=STOP):
    return [str(finding) for finding in lint.mail(subject, html, text, own=OWN, needs_unsubscribe=stop)]


def test_of_a_decent_mail_there_is_nothing_to_say():
    assert told() == []


@pytest.mark.parametrize(
    ("subject", "findings"),
    [
        ("x" * 60, []),
        ("x" * 61, ["The subject has 61 characters; most readers see the first 60."]),
        ("YOUR ORDER is almost here", []),
        ("YOUR ORDER IS here", ["The subject shouts: more than half of it is in capitals."]),
        ("SALE -50 %", []),
        ("Thank you!", []),
        ("Thank you! Really!", ["The subject has more than one exclamation mark."]),
    ],
)
def test_a_subject_is_short_and_quiet(subject, findings):
    assert told(subject=subject) == findings


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://shop.example/x", None),
        ("https://www.shop.example/x", None),
        ("https://go.lune.example/Ab3dE9xZ", None),
        ("mailto:help@elsewhere.example", None),
        ("tel:+33612345678", None),
        ("https://notshop.example/", "notshop.example"),
        ("https://shop.example.evil.example/", "shop.example.evil.example"),
        ("http://[broken", None),
    ],
)
def test_links_lead_to_the_shop_only(address, host):
    findings = [f"A link leads to {host}, which is not the shop's own."] if host else []

    assert told(html=f'{PAGE}<a href="{address}">x</a>') == findings
    assert told(text=f"{PLAIN} {address}") == findings


def test_more_than_twenty_links_look_like_spam():
    links = [f"https://shop.example/{number}" for number in range(19)]

    few = told(text=" ".join([PLAIN, *links[:18]]))
    many = told(text=" ".join([PLAIN, *links]))

    assert few == []
    assert many == ["It has 21 links; more than 20 look like spam."]


@pytest.mark.parametrize(
    "tag", ['<img src="https://cdn.example/a.jpg">', '<img src="https://cdn.example/a.jpg" alt=" ">']
)
def test_every_picture_is_put_into_words(tag):
    assert told(html=PAGE + tag) == ["A picture says nothing to who cannot see it (https://cdn.example/a.jpg)."]


def test_a_mail_that_would_be_cut_off_is_told():
    fits, too_long = (PAGE + "é" * half for half in ((100_000 - len(PAGE)) // 2, 50_000))

    assert told(html=fits) == []
    assert told(html=too_long) == ["It has 100 kB; from 100 kB on, mail programs cut off its end."]


def test_a_mail_has_a_text_part_and_a_way_to_unsubscribe_in_both():
    assert told(text=" \n") == ["It has no text part.", "It does not say how to unsubscribe."]
    assert told(html="<p>Hello</p>") == ["It does not say how to unsubscribe."]
    assert told(html="<p>Hello</p>", stop="") == []


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("Lune: your scarf is waiting: https://go.lune.example/x STOP 36111", []),
        ("x" * 160, []),
        ("x" * 161, ["It is paid for as 2 messages (161 characters)."]),
        ("Жж", ["Жж make every character cost more than twice as much."]),
        ("YOUR SCARF IS WAITING", ["It shouts: more than half of it is in capitals."]),
        ("See https://evil.example/x", ["A link leads to evil.example, which is not the shop's own."]),
    ],
)
def test_a_text_message_is_one_segment_of_plain_letters(text, findings):
    assert [str(finding) for finding in lint.text(text, own=OWN)] == findings


def test_a_finding_names_its_place_and_can_be_told_in_other_words():
    finding = lint.Finding("It has %(count)d links.", {"count": 3}, where="hello/fr")

    assert str(finding) == "hello/fr: It has 3 links."
    assert finding.told("Il y a %(count)d liens.") == "hello/fr: Il y a 3 liens."
