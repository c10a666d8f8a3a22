"""A beacon is taken when it is exactly one, and refused with a code otherwise."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from retarget_plugin.domain import events
from retarget_plugin.domain.events import Beacon, Event, EventName
from retarget_plugin.domain.grants import Grant
from retarget_plugin.exceptions import InputError

GRANT = {"tracking": True, "ads": False, "measurement": True, "wording": "2026-01", "source": "cmp"}


def beacon(**changes):
    told = {"v": 1, "grant": GRANT, "page": {"path": "/p/1/"}, "events": [{"n": "page_view"}], **changes}
    return json.dumps(told).encode()


def one_event(**fields):
    return beacon(events=[{"n": "view_item", **fields}])


def parsed_event(**fields):
    (event,) = events.parse(one_event(**fields)).events
    return event


def test_a_whole_beacon_is_read():
    item = {"item_id": "207", "item_name": "Macro lens", "item_category": "Lenses", "price": 499, "quantity": 1}
    told = {
        "v": 1,
        "grant": GRANT,
        "page": {"path": "/p/207/?utm_source=x#top", "title": "Macro lens", "ref": "search.example"},
        "events": [
            {
                "n": "view_item",
                "i": "a1",
                "a": 1500,
                "items": [item],
                "value": 499.0,
                "currency": "EUR",
                "topic": "macro",
            }
        ],
    }

    read = events.parse(json.dumps(told).encode())

    assert read == Beacon(
        grant=Grant(tracking=True, ads=False, measurement=True, wording="2026-01", source="cmp"),
        events=(
            Event(
                name="view_item",
                product="207",
                topic="macro",
                path="/p/207/",
                value=Decimal("499.00"),
                currency="EUR",
                data={
                    "items": [{**item, "price": "499.00"}],
                    "title": "Macro lens",
                    "ref": "search.example",
                },
                ago=timedelta(seconds=1.5),
            ),
        ),
    )


def test_without_a_grant_there_is_none():
    assert events.parse(beacon(grant=None)).grant is None


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        (b'{"v":1,"withdraw":true}', True),
        (beacon(grant={"tracking": False, "ads": True}), True),
        (beacon(grant=GRANT), False),
        (beacon(grant=None), False),
    ],
)
def test_a_no_to_tracking_ends_it_and_silence_does_not(body, ends):
    assert events.parse(body).ends_tracking is ends


def test_what_was_told_twice_counts_once():
    told = [{"n": "add_to_cart", "i": "x"}, {"n": "add_to_cart", "i": "x"}, {"n": "view_cart"}, {"n": "view_cart"}]

    names = [event.name for event in events.parse(beacon(events=told)).events]

    assert names == ["add_to_cart", "view_cart", "view_cart"]


def test_a_list_of_products_is_about_none_of_them():
    assert parsed_event(items=[{"item_id": "1"}, {"item_id": "2"}]).product == ""


def test_what_a_page_adds_to_an_item_is_left_out():
    kept = parsed_event(items=[{"item_id": 7, "item_brand": "Nikon", "card": "4111111111111111"}]).data

    assert kept == {"items": [{"item_id": "7", "quantity": 1}]}


def test_a_page_that_slept_for_days_tells_of_half_a_day_ago():
    assert parsed_event(a=500_000_000).ago == timedelta(hours=12)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/p/1/?email=lea@mail.example", "/p/1/"),
        ("/u/lea@mail.example/orders", "/u/***/orders"),
        ("/u/lea%40mail.example", "/u/***"),
        ("/pay/4111-1111-1111-1111", "/pay/***"),
        ("/a\u202eb\x00c", "/abc"),
        ("https://else.example/", ""),
        ("/" + "x" * 400, "/" + "x" * 298 + "…"),
    ],
)
def test_a_path_is_kept_without_what_is_personal_in_it(path, kept):
    (event,) = events.parse(beacon(page={"path": path})).events

    assert event.path == kept


def test_a_search_is_kept_without_an_address_or_a_card():
    said = "gift for lea.b+x@mail.example card 4111 1111 1111 1111 nikon z6"

    assert parsed_event(q=said).data["q"] == "gift for *** card *** nikon z6"


@pytest.mark.parametrize("name", [*EventName, "custom_event_1", "a" * 40])
def test_our_names_and_a_shops_own_are_taken(name):
    (event,) = events.parse(beacon(events=[{"n": name}])).events

    assert event.name == name


HUGE = b"9" * 5_000
REFUSED = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a number": b"1",
    "invalid UTF-8": b'{"v":1,"\xff":1}',
    "UTF-16": '{"v":1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"v":1,"withdraw":true}',
    "NaN": one_event(a=float("nan")),
    "Infinity": one_event(value=float("inf")),
    "a huge integer": one_event(a=1).replace(b'"a": 1', b'"a": ' + HUGE),
    "a huge fraction": one_event(value=1).replace(b'"value": 1', b'"value": 1e999999'),
    "a long fraction": one_event(value=1).replace(b'"value": 1', b'"value": 0.' + HUGE),
    "a huge amount": one_event(value=10**10),
    "an amount in words": one_event(value="ten"),
    "an amount that is none": one_event(value="NaN"),
    "an amount in a list": one_event(value=[1]),
    "a yes for an amount": one_event(value=True),
    "a duplicate key": b'{"v":1,"v":1,"withdraw":true}',
    "a lone surrogate": one_event(topic="\ud800"),
    "depth": b'{"v":1,"events":' + b"[" * 8_000 + b"]" * 8_000 + b"}",
    "six levels": one_event(items=[{"item_id": [[1]]}]),
    "another version": beacon(v=2),
    "a version in words": beacon(v="1"),
    "an unknown field": beacon(email="lea@mail.example"),
    "an unknown field of a page": beacon(page={"path": "/", "html": "x"}),
    "an unknown field of an event": one_event(password="x"),
    "an unknown field of a grant": beacon(grant={**GRANT, "all": True}),
    "a grant in words": beacon(grant={"tracking": "yes"}),
    "a grant by number": beacon(grant={"tracking": 1}),
    "a grant that is a list": beacon(grant=[]),
    "a withdrawal with events": b'{"v":1,"withdraw":true,"events":[]}',
    "a withdrawal that is none": b'{"v":1,"withdraw":false}',
    "no events": beacon(events=[]),
    "events by name": beacon(events={"n": "page_view"}),
    "an event that is a text": beacon(events=["page_view"]),
    "51 events": beacon(events=[{"n": "a"}] * 51),
    "51 items": one_event(items=[{}] * 51),
    "an item of 41 fields": one_event(items=[{f"f{n}": 1 for n in range(41)}]),
    "an item that is a text": one_event(items=["207"]),
    "no name": beacon(events=[{}]),
    "a name in capitals": beacon(events=[{"n": "Purchase"}]),
    "a long name": beacon(events=[{"n": "a" * 41}]),
    "a name with a line break": beacon(events=[{"n": "purchase\n"}]),
    "a name that is a number": beacon(events=[{"n": 1}]),
    "an event id that is long": one_event(i="x" * 33),
    "an event id that is a number": one_event(i=1),
    "the future": one_event(a=-1),
    "a time that is a yes": one_event(a=True),
    "a currency in words": one_event(currency="euro"),
    "a currency in small letters": one_event(currency="eur"),
    "a quantity of less than none": one_event(items=[{"item_id": "1", "quantity": -1}]),
    "half a quantity": one_event(items=[{"item_id": "1", "quantity": 0.5}]),
    "a topic that is a number": one_event(topic=1),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_is_no_beacon_is_refused(body):
    with pytest.raises(InputError) as refused:
        events.parse(body)

    assert refused.value.code in ("bad_json", "bad_beacon")


def test_what_is_too_long_is_refused_unread():
    with pytest.raises(InputError) as refused:
        events.parse(b"\xff" * (events.MAX_BYTES + 1))

    assert refused.value.code == "too_large"
