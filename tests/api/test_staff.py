"""Staff read messages and figures by session, CSRF token and permission; whatever is not granted is denied."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.utils import timezone
from graphql_relay import to_global_id

from retarget_plugin.api import permissions
from retarget_plugin.api.schema import staff_schema
from retarget_plugin.domain.effects import Difference
from retarget_plugin.domain.vocabulary import Channel, MessageState, Reason
from retarget_plugin.engine import effects
from retarget_plugin.engine.effects import ArmFigures, Effect, Report
from retarget_plugin.models import Contact, Message, Order, Shop
from tests.api.conftest import MESSAGES, ask, make_cart, make_message, make_run, make_user, post

STAFF = "/graphql/staff/"
REPORT = """query Report($shop: ID, $since: Date, $until: Date) {
  retargetReport(shop: $shop, since: $since, until: $until) {
    shop { id name } since until abandoned messaged recovered revenue { amount currency }
    returned bought abandonmentRate recoveryRate
    products { product title abandoned messaged returned recovered bought abandonmentRate recoveryRate }
    days { date abandoned messaged returned bought recovered revenue { amount currency } }
    flows {
      flow { slug name } entered sent clicked recovered revenue { amount currency } discount { amount }
      caused { isMeasured isKnown orders }
    }
    discount { amount } margin { amount }
    caused { isMeasured isKnown orders ordersAtLeast revenue { amount } neededPeople neededDays }
    foreign { recovered revenue { amount currency } }
  }
}"""


# --- who may ------------------------------------------------------------------------------------------------------

FIELDS = {
    "retargetMessages": "{ retargetMessages { totalCount } }",
    "retargetReport": "{ retargetReport { abandoned } }",
    "retargetExplain": '{ retargetExplain(contact: "CONTACT") { stories { flow { slug } } } }',
    "retargetFlows": "{ retargetFlows { state } }",
}
MESSAGES_ONLY, REPORT_ONLY, EVERYTHING = {"retargetMessages"}, {"retargetReport"}, set(FIELDS)
VIEW = ("view_message", "view_cart", "view_order", "view_contact", "view_flow")
CHANGE = ("add_message", "change_message", "delete_message", "change_cart", "change_order")

# Role -> how the user is made, and what that user may read. This is the whole matrix.
ROLES = {
    "shopper": ({}, set()),
    "shopper with permissions": ({"permissions": VIEW}, set()),
    "staff without permissions": ({"is_staff": True}, set()),
    "staff who may write but not view": ({"is_staff": True, "permissions": CHANGE}, set()),
    "staff who may view messages": ({"is_staff": True, "permissions": ("view_message",)}, MESSAGES_ONLY),
    "staff who may view carts": ({"is_staff": True, "permissions": ("view_cart",)}, set()),
    "staff who may view contacts": ({"is_staff": True, "permissions": ("view_contact",)}, set()),
    "staff who may view orders": ({"is_staff": True, "permissions": ("view_order",)}, set()),
    "staff who may view the figures": ({"is_staff": True, "permissions": ("view_cart", "view_order")}, REPORT_ONLY),
    "staff who may view all": ({"is_staff": True, "permissions": VIEW}, EVERYTHING),
    "staff who left": ({"is_staff": True, "is_active": False, "permissions": VIEW}, set()),
    "superuser": ({"is_staff": True, "is_superuser": True}, EVERYTHING),
    "superuser who is no staff": ({"is_superuser": True}, set()),
    "superuser who left": ({"is_staff": True, "is_superuser": True, "is_active": False}, set()),
}


@pytest.mark.parametrize("role", ROLES)
def test_the_permission_matrix(shop, role):
    flags, allowed = ROLES[role]
    client = Client()
    client.force_login(make_user("lea", **flags))
    contact = Contact.objects.create(shop=shop, email="ana@example.com", created_at=timezone.now())
    queries = {field: query.replace("CONTACT", str(contact.pk)) for field, query in FIELDS.items()}

    replies = {field: post(client, query, path=STAFF).json() for field, query in queries.items()}

    assert {field for field, reply in replies.items() if (reply.get("data") or {}).get(field)} == allowed
    denied = [reply for field, reply in replies.items() if field not in allowed]
    assert {reply["errors"][0]["extensions"]["code"] for reply in denied} <= {"PERMISSION_DENIED"}


def test_the_matrix_covers_every_field_there_is():
    assert set(staff_schema.graphql_schema.query_type.fields) == set(FIELDS)


def test_the_anonymous_may_read_nothing(client, shop, django_assert_num_queries):
    with django_assert_num_queries(0):
        replies = [post(client, query, path=STAFF) for query in (*FIELDS.values(), "{ __typename }", "{", "{ nope }")]

    assert {response.status_code for response in replies} == {403}
    assert {response.content for response in replies} == {
        b'{"errors":[{"message":"Log in as staff.","extensions":{"code":"PERMISSION_DENIED"}}]}'
    }


def test_a_denied_field_denies_only_itself(ask_staff, shop, message):
    clerk = make_user("clerk", is_staff=True, permissions=["view_message"])

    reply = ask_staff(clerk, "{ retargetMessages { totalCount } retargetReport { abandoned } }")

    assert reply["data"] == {"retargetMessages": {"totalCount": 1}, "retargetReport": None}
    assert [(error["path"], error["extensions"]["code"]) for error in reply["errors"]] == [
        (["retargetReport"], "PERMISSION_DENIED")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("granted", [[], (), set(), ["retarget_plugin.no_such"], ["view_message"], [""]])
def test_an_empty_or_unknown_list_of_permissions_denies(granted):
    clerk = make_user("clerk", is_staff=True, permissions=VIEW)

    assert permissions.is_allowed(clerk, granted) is False


@pytest.mark.django_db
def test_an_empty_list_denies_superusers_too(superuser):
    assert permissions.is_allowed(superuser, []) is False
    assert permissions.is_allowed(superuser, ["retarget_plugin.view_message"]) is True


@pytest.mark.parametrize("user", [None, AnonymousUser()])
def test_nobody_is_no_staff(user):
    assert permissions.is_staff(user) is False
    assert permissions.is_allowed(user, ["retarget_plugin.view_message"]) is False


def test_a_field_declared_without_permissions_is_denied_to_all(superuser):
    def resolver(root, info):
        return "secret"

    guarded = permissions.StaffField("graphene.String", resolver=resolver).wrap_resolve(None)

    with pytest.raises(permissions.ApiError):
        guarded(None, SimpleNamespace(context=SimpleNamespace(user=superuser)))
    with pytest.raises(permissions.ApiError):
        guarded(None, SimpleNamespace(context=None))


# --- why ----------------------------------------------------------------------------------------------------------

EXPLAIN = """query Explain($contact: ID!, $flow: String) {
  retargetExplain(contact: $contact, flow: $flow) {
    stories { flow { slug } neverEntered { code words facts } unknown passages { state steps { step state why { code } } } }
  }
}"""


def test_why_somebody_got_a_message_or_not(ask_staff, superuser, flow, contact):
    message = make_message(contact, run=make_run(flow, contact))

    reply = ask_staff(superuser, EXPLAIN, {"contact": str(message.contact_id), "flow": message.run.flow.slug})

    (story,) = reply["data"]["retargetExplain"]["stories"]
    assert story["flow"] == {"slug": message.run.flow.slug}
    assert [step["step"] for step in story["passages"][0]["steps"]] == [message.step]
    assert story["neverEntered"] == story["unknown"] == []


def test_staff_are_told_what_nobody_can_know(ask_staff, superuser, contact):
    reply = ask_staff(superuser, EXPLAIN, {"contact": str(contact.pk), "flow": "back-in-stock"})

    (story,) = reply["data"]["retargetExplain"]["stories"]
    assert [reason["code"] for reason in story["neverEntered"]] == ["flow_off", "nothing_happened"]
    assert story["unknown"] == ["When a product was sold out, and what it cost at an earlier time, is not recorded."]


def test_nobody_is_told_of_who_is_not_known(ask_staff, superuser, shop):
    reply = ask_staff(superuser, EXPLAIN, {"contact": "999999"})

    assert reply["errors"][0]["extensions"]["code"] == "BAD_ARGUMENT"


# --- CSRF ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(superuser):
    """A logged-in browser that checks what a test client otherwise waves through, and its CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(superuser)
    client.cookies["csrftoken"] = "a" * 32
    return client


def test_staff_need_the_csrf_token(browser, shop):
    query = FIELDS["retargetMessages"]

    without = post(browser, query, path=STAFF)
    wrong = post(browser, query, path=STAFF, x_csrftoken="b" * 32)
    right = post(browser, query, path=STAFF, x_csrftoken="a" * 32)

    assert (without.status_code, wrong.status_code, right.status_code) == (403, 403, 200)
    assert b"totalCount" not in without.content + wrong.content
    assert right.json() == {"data": {"retargetMessages": {"totalCount": 0}}}


def test_the_token_is_asked_for_in_a_project_without_the_csrf_middleware(browser, shop, settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]

    without = post(browser, FIELDS["retargetMessages"], path=STAFF)
    right = post(browser, FIELDS["retargetMessages"], path=STAFF, x_csrftoken="a" * 32)

    assert (without.status_code, right.status_code) == (403, 200)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://front.example"])
def test_no_other_origin_reaches_the_staff_endpoint(browser, shop, settings, origin):
    settings.RETARGET = {**settings.RETARGET, "ALLOWED_ORIGINS": ["https://front.example"]}
    headers = {"origin": origin, "access-control-request-method": "POST"}

    preflight = browser.options(STAFF, headers=headers)
    response = post(browser, FIELDS["retargetMessages"], path=STAFF, x_csrftoken="a" * 32, origin=origin)

    assert response.status_code == 403
    assert preflight.status_code in (403, 405)
    names = [*preflight.headers, *response.headers]
    assert not any(name.startswith("Access-Control") for name in names)


# --- messages -----------------------------------------------------------------------------------------------------


def nodes(reply):
    return [edge["node"] for edge in reply["data"]["retargetMessages"]["edges"]]


def test_a_message_is_told_with_its_recipient_masked(ask_staff, superuser, flow, contact):
    at = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
    Message.objects.all().delete()
    make_message(
        contact,
        run=make_run(flow, contact),
        step="sms",
        channel=Channel.SMS,
        state=MessageState.CANCELLED,
        reason=Reason.NO_CONSENT,
        attempts_made=2,
        segments=3,
        cost=Decimal("0.00750"),
        cost_currency="USD",
        created_at=at,
        due_at=at,
        not_after=at,
        sent_at=at,
        clicked_at=at,
    )

    reply = ask_staff(superuser, MESSAGES)

    (node,) = nodes(reply)
    written = "2026-03-04T12:30:00+00:00"
    assert {name: value for name, value in node.items() if name not in ("id", "shop", "flow")} == {
        "step": "sms",
        "channel": "SMS",
        "recipient": "ca***@mail.example",
        "state": "CANCELLED",
        "reason": "NO_CONSENT",
        "attempts": 2,
        "segments": 3,
        "cost": {"amount": "0.00750", "currency": "USD"},
        "createdAt": written,
        "dueAt": written,
        "notAfter": written,
        "sentAt": written,
        "deliveredAt": None,
        "bouncedAt": None,
        "complainedAt": None,
        "openedAt": None,
        "clickedAt": written,
        "unsubscribedAt": None,
    }
    assert node["shop"]["name"] == "Chez Léa"
    assert (node["flow"]["slug"], node["flow"]["name"]) == ("tests-cart", "Cart left")
    assert not any(word in str(reply) for word in ("camille", "Durand", "612345678"))


def test_a_message_of_no_flow_has_none(ask_staff, superuser, message):
    reply = ask_staff(superuser, MESSAGES)

    (node,) = nodes(reply)
    assert (node["flow"], node["reason"], node["cost"], node["segments"]) == (None, None, None, None)


def test_pages_follow_each_other_newest_first(ask_staff, superuser, contact):
    made = [make_message(contact, step=f"step {number}").step for number in range(5)]
    pages, after = [], None

    for _ in range(3):
        page = ask_staff(superuser, MESSAGES, {"first": 2, "after": after})
        pages.append((nodes(page), page["data"]["retargetMessages"]["pageInfo"]))
        after = pages[-1][1]["endCursor"]

    assert [[node["step"] for node in rows] for rows, _ in pages] == [
        [made[4], made[3]],
        [made[2], made[1]],
        [made[0]],
    ]
    assert [(info["hasPreviousPage"], info["hasNextPage"]) for _, info in pages] == [
        (False, True),
        (True, True),
        (True, False),
    ]


def test_a_page_does_not_move_when_messages_are_added(ask_staff, superuser, contact):
    made = [make_message(contact, step=f"step {number}").step for number in range(4)]
    first = ask_staff(superuser, MESSAGES, {"first": 2})
    make_message(contact, step="new")

    after = first["data"]["retargetMessages"]["pageInfo"]["endCursor"]
    second = ask_staff(superuser, MESSAGES, {"first": 2, "after": after})

    assert [node["step"] for node in nodes(second)] == [made[1], made[0]]


def test_a_page_beyond_the_last_is_empty(ask_staff, superuser, message):
    only = ask_staff(superuser, MESSAGES)["data"]["retargetMessages"]["pageInfo"]["endCursor"]

    page = ask_staff(superuser, MESSAGES, {"after": only})["data"]["retargetMessages"]

    assert page["edges"] == []
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": None,
        "endCursor": None,
    }


def test_messages_are_filtered_by_state_channel_and_shop(ask_staff, superuser, contact, shop):
    other_shop = Shop.objects.create(name="Second", scope="second", base_url="https://second.example")
    stranger = Contact.objects.create(shop=other_shop, phone="+33700000001", created_at=timezone.now())
    sent = make_message(contact)
    unknown = make_message(contact, state=MessageState.UNKNOWN)
    sms = make_message(contact, channel=Channel.SMS)
    foreign = make_message(stranger, channel=Channel.SMS)

    def found(**filters):
        reply = ask_staff(superuser, MESSAGES.replace("pageInfo", "totalCount pageInfo"), filters)
        keys = [node["id"] for node in nodes(reply)]
        assert reply["data"]["retargetMessages"]["totalCount"] == len(keys)
        return keys

    ids = dict(zip(("foreign", "sms", "unknown", "sent"), found(), strict=True))
    assert len(set(ids.values())) == Message.objects.count() == len([sent, unknown, sms, foreign])
    assert found(state="UNKNOWN") == [ids["unknown"]]
    assert found(channel="SMS") == [ids["foreign"], ids["sms"]]
    assert found(shop=str(other_shop.pk)) == [ids["foreign"]]
    assert found(shop=str(shop.pk), channel="SMS", state="ACCEPTED") == [ids["sms"]]
    assert found(shop="999999") == []


def test_a_shops_own_id_can_be_handed_back(ask_staff, superuser, message):
    (node,) = nodes(ask_staff(superuser, MESSAGES))

    assert len(nodes(ask_staff(superuser, MESSAGES, {"shop": node["shop"]["id"]}))) == 1


def test_twenty_rows_unless_more_are_asked_for(ask_staff, superuser, contact):
    for _ in range(21):
        make_message(contact)

    assert len(nodes(ask_staff(superuser, MESSAGES))) == 20
    assert len(nodes(ask_staff(superuser, MESSAGES, {"first": 100}))) == 21


@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1])
def test_more_than_a_hundred_rows_or_none_is_a_clear_error(ask_staff, superuser, first):
    reply = ask_staff(superuser, "query($n: Int) { retargetMessages(first: $n) { totalCount } }", {"n": first})

    assert reply["data"] == {"retargetMessages": None}
    assert reply["errors"][0]["message"] == "first must be between 1 and 100."
    assert reply["errors"][0]["extensions"] == {"code": "BAD_ARGUMENT"}


WRONG_IDS = ["x", "é", "-1", "1.5", "٣", "=", ":", "\x00", "9" * 19, "9" * 5_000, to_global_id("RetargetFlow", 1)]


@pytest.mark.parametrize(
    ("argument", "value"),
    [(argument, value) for argument in ("after", "shop") for value in WRONG_IDS]
    + [("after", to_global_id("RetargetShop", 1)), ("shop", to_global_id("RetargetMessage", 1))]
    + [("after", to_global_id("RetargetMessage", key)) for key in ("", "x", "-1", "1 ", "9" * 19)],
)
def test_an_id_that_was_never_given_out_is_a_clear_error(ask_staff, superuser, argument, value):
    reply = ask_staff(superuser, MESSAGES, {argument: value})

    assert reply["data"] == {"retargetMessages": None}
    assert reply["errors"][0]["message"] == f"{argument} is not an id that this API gave out."


@pytest.mark.parametrize("count", [1, 100])
def test_messages_cost_one_query_however_many(superuser, flow, contact, count, django_assert_num_queries):
    for _ in range(count):
        make_message(contact, run=make_run(flow, contact))
    client = Client()
    client.force_login(superuser)

    # Session and user, then the messages.
    with django_assert_num_queries(3):
        reply = ask(client, MESSAGES, {"first": 100}, path=STAFF)

    assert len(nodes(reply)) == count


def test_counting_costs_a_query_only_when_asked_for(superuser, message, django_assert_num_queries):
    client = Client()
    client.force_login(superuser)

    with django_assert_num_queries(4):
        reply = ask(client, "{ retargetMessages { totalCount } }", path=STAFF)

    assert reply["data"]["retargetMessages"]["totalCount"] == 1


def test_a_hundred_full_rows_fit_into_a_reply(superuser, flow, contact):
    now = timezone.now()
    moments = ("sent_at", "delivered_at", "bounced_at", "complained_at", "opened_at", "clicked_at", "unsubscribed_at")
    for _ in range(100):
        values = dict.fromkeys(moments, now) | {"cost": Decimal("0.1"), "cost_currency": "EUR", "segments": 2}
        make_message(contact, run=make_run(flow, contact), reason=Reason.QUIET_HOURS, **values)
    client = Client()
    client.force_login(superuser)

    response = post(client, MESSAGES, {"first": 100}, path=STAFF)

    assert response.status_code == 200
    assert len(response.content) < 100_000


# --- report -------------------------------------------------------------------------------------------------------


def at(day, hour=12):
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.fixture
def march(flow, contact):
    """Two carts abandoned on 3 March, one messaged; one order for 80.00 EUR on the 4th, and one in Swiss francs."""
    carts = [make_cart(contact, [("Shirt", "40.00", 2)]) for _ in range(2)]
    for cart in carts:
        cart.abandoned_at = at(3)
        cart.save()
    run = make_run(flow, contact, cart=carts[0], entered_at=at(3))
    message = make_message(contact, run=run, clicked_at=at(4))
    for number, (total, currency) in enumerate([("80.00", "EUR"), ("35.00", "CHF")]):
        Order.objects.create(
            shop=contact.shop,
            reference=f"tests-{number}",
            currency=currency,
            total=Decimal(total),
            touched_at=at(4),
            placed_at=at(4),
            credited_message=message,
        )


def money(amount, currency="EUR"):
    return {"amount": amount, "currency": currency}


def test_a_report_tells_what_came_back(ask_staff, superuser, shop, march):
    reply = ask_staff(superuser, REPORT, {"since": "2026-03-03", "until": "2026-03-04"})

    report = reply["data"]["retargetReport"]
    assert report.pop("shop")["name"] == "Chez Léa"
    line = {"entered": 1, "sent": 1, "clicked": 1, "recovered": 2, "revenue": money("80.00")}
    line |= {"discount": {"amount": "0.00"}, "caused": {"isMeasured": False, "isKnown": False, "orders": None}}
    assert {"flow": {"slug": "tests-cart", "name": "Cart left"}, **line} in report.pop("flows")
    nothing_yet = {"recovered": 0, "revenue": money("0.00")}
    brought_back = {"recovered": 2, "revenue": money("80.00")}
    assert report == {
        "since": "2026-03-03",
        "until": "2026-03-04",
        "abandoned": 2,
        "messaged": 1,
        "returned": 0,
        "bought": 2,
        "abandonmentRate": 0.5,
        "recoveryRate": 0.0,
        "products": [],
        "recovered": 2,
        "revenue": money("80.00"),
        "discount": {"amount": "0.00"},
        "margin": None,
        "caused": {
            "isMeasured": False,
            "isKnown": False,
            "orders": None,
            "ordersAtLeast": None,
            "revenue": None,
            "neededPeople": 20831,
            "neededDays": None,
        },
        "days": [
            {"date": "2026-03-03", "abandoned": 2, "messaged": 1, "returned": 0, "bought": 0, **nothing_yet},
            {"date": "2026-03-04", "abandoned": 0, "messaged": 0, "returned": 0, "bought": 2, **brought_back},
        ],
        "foreign": [{"recovered": 1, "revenue": money("35.00", "CHF")}],
    }


def test_a_report_tells_what_was_caused(ask_staff, superuser, shop, march, monkeypatch):
    shop.margin_percent = 40
    shop.save()
    known = Effect(
        arms=(ArmFigures("holdout"),),
        orders=Difference(0.1, 0.01, 0.0, 5_000, 0.1),
        revenue=Difference(5.0, 1.0, 0.0, 5_000, 5.0),
        treated=1_000,
        is_conclusive=True,
    )
    monkeypatch.setattr(
        effects, "of_flows", lambda shop, flows, **period: Report(known, {flow.pk: known for flow in flows})
    )

    reply = ask_staff(superuser, REPORT, {"since": "2026-03-03", "until": "2026-03-04"})

    report = reply["data"]["retargetReport"]
    assert report["margin"] == {"amount": "32.00"}
    assert report["caused"] == {
        "isMeasured": True,
        "isKnown": True,
        "orders": 100.0,
        "ordersAtLeast": pytest.approx(69.6, abs=0.1),
        "revenue": {"amount": "5000.00"},
        "neededPeople": 0,
        "neededDays": None,
    }
    assert report["flows"][0]["caused"] == {"isMeasured": True, "isKnown": True, "orders": 100.0}


def test_both_ends_of_the_period_are_whole_days_in_the_shops_time_zone(ask_staff, superuser, shop, contact):
    shop.time_zone = "America/New_York"
    shop.save()
    # Midnight in New York is 05:00 UTC in winter.
    for moment in (at(3, hour=4), at(3, hour=5), at(4, hour=4), at(4, hour=5)):
        cart = make_cart(contact, [])
        cart.abandoned_at = moment
        cart.save()

    reply = ask_staff(superuser, REPORT, {"since": "2026-03-03", "until": "2026-03-03"})

    assert reply["data"]["retargetReport"]["abandoned"] == 2
    assert len(reply["data"]["retargetReport"]["days"]) == 1


@pytest.mark.parametrize(
    ("variables", "since", "until"),
    [
        ({}, "2026-02-03", "2026-03-04"),
        ({"until": "2026-01-30"}, "2026-01-01", "2026-01-30"),
        ({"since": "2026-03-01"}, "2026-03-01", "2026-03-04"),
    ],
)
def test_without_a_period_it_is_the_last_thirty_days(ask_staff, superuser, shop, variables, since, until):
    with time_machine.travel(at(4), tick=False):
        report = ask_staff(superuser, REPORT, variables)["data"]["retargetReport"]

    assert (report["since"], report["until"]) == (since, until)


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("2026-03-04", "2026-03-03", "since must not be after until, and at most 366 days may be asked for."),
        ("2025-03-03", "2026-03-04", "since must not be after until, and at most 366 days may be asked for."),
        ("0001-01-01", "0001-01-02", "until must be between 2000-01-01 and 2099-12-31."),
        ("9999-12-30", "9999-12-31", "until must be between 2000-01-01 and 2099-12-31."),
    ],
)
def test_an_impossible_period_is_a_clear_error(ask_staff, superuser, shop, since, until, message):
    reply = ask_staff(superuser, REPORT, {"since": since, "until": until})

    assert reply["data"] == {"retargetReport": None}
    assert [error["message"] for error in reply["errors"]] == [message]


def test_a_whole_year_can_be_reported(superuser, shop):
    client = Client()
    client.force_login(superuser)

    response = post(client, REPORT, {"since": "2024-01-01", "until": "2024-12-31"}, path=STAFF)

    assert len(response.json()["data"]["retargetReport"]["days"]) == 366
    assert len(response.content) < 100_000


@pytest.mark.parametrize("value", ["yesterday", "2026-02-30", "", 5, True])
def test_a_date_that_is_none_is_refused(ask_staff, superuser, shop, value):
    reply = ask_staff(superuser, REPORT, {"since": value}, status=400)

    assert reply["errors"][0]["extensions"] == {"code": "BAD_QUERY"}


def test_with_several_shops_one_must_be_named(ask_staff, superuser, shop):
    second = Shop.objects.create(name="Second", scope="second", base_url="https://second.example", currency="CHF")

    unnamed = ask_staff(superuser, REPORT)
    named = ask_staff(superuser, REPORT, {"shop": str(second.pk)})
    unknown = ask_staff(superuser, REPORT, {"shop": "999999"})

    assert unnamed["errors"][0]["message"] == "There is not exactly one shop: say which one."
    assert named["data"]["retargetReport"]["revenue"] == money("0.00", "CHF")
    assert unknown["errors"][0]["message"] == "There is no such shop."


@pytest.mark.parametrize("count", [1, 100])
def test_a_report_costs_the_same_queries_however_many_carts(superuser, flow, contact, count, django_assert_num_queries):
    for _ in range(count):
        cart = make_cart(contact, [])
        make_message(contact, run=make_run(flow, contact, cart=cart))
    client = Client()
    client.force_login(superuser)

    # Session, user and shop, then the nine of the report, and one for products as none was left.
    with django_assert_num_queries(13):
        reply = ask(client, REPORT, path=STAFF)

    assert reply["data"]["retargetReport"]["abandoned"] == count
