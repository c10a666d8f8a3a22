"""Nothing a shopper or a template writes may add a header line or a recipient."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest

from retarget_plugin.channels import headers
from retarget_plugin.domain.vocabulary import OutcomeKind
from tests.fakes.keyed_mail import BrevoServer, ResendServer
from tests.fakes.postmark import PostmarkServer
from tests.fakes.smtp import SmtpServer
from tests.promises import length

from .mailers import EMAIL, over, over_postmark, over_smtp

pytestmark = pytest.mark.delivery

# Unfit wherever they stand: they end a header line in some reader's or writer's eyes, or cannot be written in one.
UNFIT = {
    "CRLF and a header": "x\r\nBcc: thief@evil.example",
    "LF and a header": "x\nBcc: thief@evil.example",
    "CR and a header": "x\rBcc: thief@evil.example",
    "two CRLF and a body": "x\r\n\r\n<script>",
    "folded continuation": "x\r\n Bcc: thief@evil.example",
    "LF at the end": "x\n",
    "CR at the end": "x\r",
    "LF at the start": "\nx",
    "NUL": "x\0y",
    "tab": "x\ty",
    "vertical tab": "x\x0by",
    "form feed": "x\x0cy",
    "bell": "x\x07y",
    "backspace": "x\x08y",
    "escape": "x\x1b[31my",
    "file separator": "x\x1cy",
    "group separator": "x\x1dy",
    "record separator": "x\x1ey",
    "unit separator": "x\x1fy",
    "delete": "x\x7fy",
    "next line (C1)": "x\x85Bcc: thief@evil.example",
    "reverse index (C1)": "x\x8dy",
    "line separator": "x\u2028Bcc: thief@evil.example",
    "paragraph separator": "x\u2029Bcc: thief@evil.example",
    "lone surrogate": "x\ud800y",
    "encoded word with CRLF": "=?utf-8?q?x=0D=0ABcc:_thief@evil.example?=",
    "encoded word with LF": "x =?utf-8?Q?=0ABcc:_thief@evil.example?= y",
    "encoded word in base64": "=?utf-8?b?eA0KQmNjOiB0aGllZkBldmlsLmV4YW1wbGU=?=",
    "two encoded words with a body": "=?utf-8?q?x?= =?utf-8?q?=0D=0A=0D=0Abody?=",
    "encoded word with quotes and brackets": "=?utf-8?q?a=22_=3Cthief=40evil.example=3E=2C_=22b?=",
    "low surrogate, as from undecodable bytes": "x\udc0aBcc: thief@evil.example",
}

# Unfit for an address.
ADDRESSES = {
    "empty": "",
    "two": "a@x.example,b@x.example",
    "two with a space": "a@x.example, b@x.example",
    "two with a semicolon": "a@x.example;b@x.example",
    "two with a space only": "a@x.example b@x.example",
    "a name": "Ada <a@x.example>",
    "a name in quotes": '"Ada, thief@evil.example" <a@x.example>',
    "angle brackets": "<a@x.example>",
    "group": "friends: a@x.example, b@x.example;",
    "comment": "a(comment)@x.example",
    "quoted local part": '"a b"@x.example',
    "quoted local part with an address": '"a@evil.example,"@x.example',
    "two at signs": "a@evil.example@x.example",
    "route": "@evil.example:a@x.example",
    "no at sign": "nobody",
    "no local part": "@x.example",
    "no domain": "a@",
    "space in front": " a@x.example",
    "space behind": "a@x.example ",
    "no-break space": "a@x.example\u00a0",
    "zero-width space": "a\u200b@x.example",
    "domain literal": "a@[127.0.0.1]",
    "dot in front": ".a@x.example",
    "dot behind": "a.@x.example",
    "two dots": "a..b@x.example",
    "dot at the domain's end": "a@x.example.",
    "empty label": "a@x..example",
    "hyphen in front of a label": "a@-x.example",
    "hyphen behind a label": "a@x-.example",
    "encoded word": "=?utf-8?q?a=40evil.example=2C?=@x.example?=",
    "backslash": "a\\@x.example",
    "letters that are not ASCII before the at sign": "dörte@x.example",
    "label that is too long in ASCII": "a@" + "é" * 60 + ".example",
    "letter no domain may have": "a@x\u0340.example",
    "local part of 65": "a" * 65 + "@x.example",
    "label of 64": "a@" + "b" * 64 + ".example",
    "longer than 254": "a@" + "b." * 130 + "example",
}

URLS = {
    "another header's brackets": "https://x.example/>, <mailto:thief@evil.example",
    "closing bracket": "https://x.example/>",
    "space": "https://x.example/ y",
    "comma": "https://x.example/a,b",
    "quote": 'https://x.example/"',
    "not ASCII": "https://x.example/é",
    "mailto": "mailto:a@x.example",
    "script": "javascript:alert(1)",
    "no scheme": "//x.example/",
    "nothing after the scheme": "https://",
    "longer than a line": "https://x.example/" + "a" * 900,
}


def cases():
    for field in (
        "to",
        "from_email",
        "reply_to",
        "from_name",
        "subject",
        "unsubscribe_url",
        "unsubscribe_mailbox",
        "message_id",
        "idempotency_key",
    ):
        for name, value in UNFIT.items():
            yield pytest.param({field: value}, field, id=f"{field}: {name}")
    for name, value in UNFIT.items():
        yield pytest.param({"tags": ("fine", value)}, "tags[1]", id=f"tag: {name}")
        yield pytest.param({"metadata": {"key": value}}, "metadata[0]", id=f"metadata: {name}")
        yield pytest.param({"metadata": {value: "value"}}, "metadata[0] key", id=f"metadata key: {name}")
    for field in ("to", "from_email", "reply_to", "unsubscribe_mailbox"):
        for name, value in ADDRESSES.items():
            if value or field in ("to", "from_email"):
                yield pytest.param({field: value}, field, id=f"{field}: {name}")
    for name, value in URLS.items():
        yield pytest.param({"unsubscribe_url": value}, "unsubscribe_url", id=f"unsubscribe_url: {name}")
    for field in ("message_id", "idempotency_key"):
        for value in ("", " x", "x ", "x y", "dörte", "x\u200b"):
            yield pytest.param({field: value}, field, id=f"{field}: {value!a}")
    yield pytest.param({"subject": "a" * 256}, "subject", id="subject: too long")
    yield pytest.param({"from_name": "a" * 151}, "from_name", id="from_name: too long")
    yield pytest.param({"tags": ("a" * 201,)}, "tags[0]", id="tag: too long")
    yield pytest.param({"metadata": {"key": 7}}, "metadata[0]", id="metadata: a number")


@pytest.fixture(scope="module")
def smtp_server():
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="module")
def postmark_server():
    with PostmarkServer() as server:
        yield server


@pytest.mark.parametrize(("change", "field"), list(cases()))
def test_unfit_value_is_refused_before_anything_is_sent(settings, smtp_server, postmark_server, change, field):
    email = replace(EMAIL, **change)

    outcomes = [over_smtp(settings, smtp_server).send(email), over_postmark(settings, postmark_server).send(email)]

    for outcome in outcomes:
        assert (outcome.kind, outcome.code) == (OutcomeKind.REJECTED, "invalid_header")
        assert outcome.detail.startswith(f"{field}: ")
    value = next(iter(change.values()))
    assert not value or str(value) not in outcomes[0].detail
    assert (smtp_server.connections, postmark_server.calls) == (0, [])


FIT = {
    "plus and dots": {"to": "ada.b+shop@mail.customer.example"},
    "every letter an atom may have": {"to": "!#$%&'*+/=?^_`{|}~-@x.example"},
    "international domain": {"to": "a@käse.example"},
    "local domain": {"to": "a@localhost"},
    "longest local part": {"to": "a" * 64 + "@x.example"},
    "no reply address": {"reply_to": ""},
    "name with everything": {"from_name": 'Zoë "Zo" \\ O\'Neil, (Shop) <x@evil.example>; :'},
    "name that looks like addresses": {"from_name": "thief@evil.example, other@evil.example"},
    "long name that looks like addresses": {"from_name": "thief@evil.example, other@evil.example, " * 3 + "x"},
    "long name, not ASCII": {"from_name": "café t’attend, Shop Anaïs t’attend, café"},
    "no name": {"from_name": ""},
    "subject with everything": {"subject": "Bcc: thief@evil.example 🛒 =?utf-8?q?x? 1+1=2?! \u202exyz é"},
    "long subject, not ASCII": {"subject": "€ Anaïs 🛒 panier € € « panier still là"},
    "empty subject": {"subject": ""},
    "longest subject": {"subject": "é" * 255},
    "link with a query": {"unsubscribe_url": "http://127.0.0.1:8000/u/a-b_c~d.e/?x=1&y=%20;z=:@!$'()*+/#f"},
    "longest link": {"unsubscribe_url": "https://x.example/" + "a" * 882},
    "no tags and no metadata": {"tags": (), "metadata": {}},
    "metadata with a no-break space": {"metadata": {"key": "a\u00a0b"}},
}


@pytest.mark.parametrize("name", FIT)
def test_fit_value_arrives_as_it_is_at_one_recipient(settings, name):
    email = replace(EMAIL, **FIT[name])
    assert headers.problem(email) == ""

    with SmtpServer() as server:
        assert over_smtp(settings, server).send(email).kind is OutcomeKind.ACCEPTED
    with PostmarkServer() as provider:
        assert over_postmark(settings, provider).send(email).kind is OutcomeKind.ACCEPTED

    [received] = server.messages
    assert len(received.recipients) == 1
    message = received.message
    known = {"from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"}
    assert {key.lower() for key in message} <= known | {"list-unsubscribe", "list-unsubscribe-post"}
    assert names_and_addresses(received.raw) == [(email.from_name, email.from_email)]
    assert text_of(received.raw, "Subject") == email.subject
    assert "?==?" not in received.raw.partition(b"\r\n\r\n")[0].decode("ascii")
    [posted] = provider.sent
    assert {entry["Name"] for entry in posted["Headers"]} == {"List-Unsubscribe", "List-Unsubscribe-Post"}
    assert "," not in posted["To"]
    assert not {"Cc", "Bcc"} & set(posted)


LONG = "https://x.example/" + "a" * 850


@pytest.mark.parametrize(
    ("url", "mailbox", "header"),
    [
        (
            "https://x.example/u",
            "stop+1-abc@in.x.example",
            "<https://x.example/u>, <mailto:stop+1-abc@in.x.example?subject=unsubscribe>",
        ),
        (
            "https://x.example/u",
            "a&b?c%d@in.x.example",
            "<https://x.example/u>, <mailto:a%26b%3Fc%25d@in.x.example?subject=unsubscribe>",
        ),
        # Both would not fit into a line.
        (LONG, "stop+1-abc@" + "in." * 40 + "x.example", f"<{LONG}>"),
        # The button of RFC 8058 needs the link.
        ("", "stop@in.x.example", None),
    ],
)
def test_the_address_that_unsubscribes_stands_behind_the_link(settings, url, mailbox, header):
    email = replace(EMAIL, unsubscribe_url=url, unsubscribe_mailbox=mailbox)

    with SmtpServer() as server:
        over_smtp(settings, server).send(email)

    [received] = server.messages
    assert received.message["List-Unsubscribe"] == header


# --- every value, every field, four ways out --------------------------------------------------------------------


BREAKS = [
    "\r\n",
    "\n",
    "\r",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "%0d%0a",
    "\\r\\n",
    "&#13;&#10;",
    "=0D=0A",
]
SMUGGLED = ["Bcc: thief@evil.example", " To: thief@evil.example", "\r\nRCPT TO:<thief@evil.example>", ".\r\nQUIT"]
HOSTILE = list(
    dict.fromkeys(
        [
            *UNFIT.values(),
            *ADDRESSES.values(),
            *URLS.values(),
            *(f"x{end}{more}" for end in BREAKS for more in SMUGGLED),
        ]
    )
)
FIELDS = {
    **{
        name: lambda value, name=name: {name: value}
        for name in (
            "to",
            "from_email",
            "reply_to",
            "from_name",
            "subject",
            "unsubscribe_url",
            "unsubscribe_mailbox",
            "message_id",
            "idempotency_key",
        )
    },
    "tag": lambda value: {"tags": (value,)},
    "metadata": lambda value: {"metadata": {"key": value}},
    "metadata key": lambda value: {"metadata": {value: "value"}},
}
KNOWN = {
    *("from", "to", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"),
    *("list-unsubscribe", "list-unsubscribe-post", "content-transfer-encoding"),
    # Brevo's and Resend's own, by which anymail hands tags, metadata and keys over.
    *("x-mailin-custom", "idempotencykey", "x-tags", "x-metadata"),
}


def addressed(server):
    """What each message that arrived says: (recipients, names of header lines, values of header lines)."""
    if isinstance(server, SmtpServer):
        return [(each.recipients, list(each.message), list(each.message.values())) for each in server.messages]
    found = []
    for sent in server.sent:
        document = {name.lower(): value for name, value in sent.items()}
        named = [document[name] for name in ("to", "cc", "bcc") if document.get(name)]
        people = [one for each in named for one in (each if isinstance(each, list) else [each])]
        people = [one if isinstance(one, str) else one["email"] for one in people]
        lines = document.get("headers") or {}
        pairs = [(line["Name"], line["Value"]) for line in lines] if isinstance(lines, list) else list(lines.items())
        found.append((people, [name for name, _value in pairs], [str(value) for _name, value in pairs]))
    return found


@pytest.mark.promise
def test_no_value_adds_a_header_or_a_recipient_anywhere(settings, promise):
    chosen = random.Random(13).sample(HOSTILE, length(16, len(HOSTILE)))
    ways = {
        "SMTP": (SmtpServer, over_smtp),
        "Postmark": (PostmarkServer, over_postmark),
        "Brevo": (BrevoServer, lambda settings, server: over(settings, "brevo", server)),
        "Resend": (ResendServer, lambda settings, server: over(settings, "resend", server)),
    }
    emails = [
        replace(EMAIL, **{"idempotency_key": f"k{place}.{number}", **change(value)})
        for place, change in enumerate(FIELDS.values())
        for number, value in enumerate(chosen)
    ]
    tally, smuggled = Counter(), []
    for name, (fake, channel_to) in ways.items():
        with fake() as server, channel_to(settings, server) as channel:
            tally.update(channel.send(email).kind.value for email in emails)
            arrived = addressed(server)
        tally["arrived"] += len(arrived)
        smuggled += [
            (name, people, lines)
            for people, lines, values in arrived
            if len(people) != 1
            or "," in people[0]
            or not {line.lower() for line in lines} <= KNOWN
            or len(lines) != len(set(lines))
            or any(character in value for value in values for character in "\r\n")
        ]

    promise(
        "X13",
        run=f"{len(chosen)} hostile strings in each of {len(FIELDS)} header-bound values, by {', '.join(ways)}",
        figure=f"{len(smuggled)} with another header or recipient; {tally['rejected']} refused, {tally['arrived']} arrived",
        bar="0 with another header or recipient, and every one refused or sent",
        holds=not smuggled
        and tally["arrived"] == tally["accepted"] > 0
        and tally["accepted"] + tally["rejected"] == len(ways) * len(emails),
    )


# Python's modern parser puts spaces between the encoded-words of a name (gh-128110); the older one reads by RFC 2047.


def text_of(raw, header):
    return str(make_header(decode_header(unfolded(raw, header))))


def names_and_addresses(raw):
    return [(str(make_header(decode_header(name))), address) for name, address in getaddresses([unfolded(raw, "From")])]


def unfolded(raw, header):
    return "".join(message_from_bytes(raw)[header].splitlines())
