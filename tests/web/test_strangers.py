"""Whatever is sent to whichever public address, the answer is never an error of ours and no row is left stuck."""

import inspect
import json
import re
from collections import Counter
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.signals import got_request_exception
from django.test import Client
from django.utils import timezone

from retarget_plugin import urls
from retarget_plugin.api.schema import schema, staff_schema
from retarget_plugin.domain.grants import Grant
from retarget_plugin.domain.vocabulary import Channel, MessageState, Purpose
from retarget_plugin.engine import notices, optin, tick, tokens, visitors
from retarget_plugin.models import Allowance, DailyCount, Lead, LeadForm, Magnet, Message, Preference, Store
from tests.domain.test_events import GRANT
from tests.promises import length
from tests.shop.models import Basket, Line
from tests.web.strangers import TYPES, Address, Stranger, operations

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]
JSON, TEXT, FORM = TYPES[:3]
#: So that several cores share the requests.
PARTS = 8
#: Their token alone says who and what, so that the POST needs no cookie: whoever has it is who it was mailed to.
BEARERS = ("unsubscribe", "confirm", "exports")
LIMITS = ("EVENTS_PER_ADDRESS", "EVENTS_PER_VISITOR", "VISITORS_PER_ADDRESS", "FORMS_PER_HOUR")
ITEM = {"item_id": "1", "item_name": "Linen shirt", "item_category": "Shirts", "price": 49.9, "quantity": 1}
EVENT = {
    "n": "add_to_cart",
    "i": "e1",
    "a": 1200,
    "items": [ITEM],
    "value": 49.9,
    "currency": "EUR",
    "topic": "x",
    "q": "y",
}
PAGE = {"path": "/p/1/", "title": "Linen shirt", "ref": "search.example"}
BEACONS = (
    {"v": 1, "grant": GRANT, "page": PAGE, "events": [EVENT]},
    {"v": 1, "grant": None, "page": PAGE, "events": [EVENT, {"n": "page_view"}]},
    {"v": 1, "withdraw": True},
)
ANSWERS = (
    {"email": "camille.durand@mail.example", "phone": "+33612345678", "first_name": "Léa", "website": ""},
    {"email": "new@mail.example", "consent_email": "on", "language": "fr", "page": "/p/1/"},
)
CHOICES = ({"language": "fr", "email": "on", "topic": "shirts", "size": "m"}, {"nothing": "on"}, {"act": "download"})


@pytest.fixture
def rows(shop, contact, cart, message):
    """Something for every kind of link to be about; the ids of it, by the names that tokens know them by."""
    now = timezone.now()
    magnet = Magnet.objects.create(shop=shop, slug="guide", name="Guide", kind="files", created_at=now)
    texts = {
        "en": {"title": "Our guide", "text": "Free", "button": "Send", "done": "Thank you", "consent_email": "News"}
    }
    form = LeadForm.objects.create(
        shop=shop, slug="guide", name="Guide", magnet=magnet, is_on=True, texts=texts, phone="optional",
        first_name="optional", consents=["email"], created_at=now,
    )  # fmt: skip
    lead = Lead.objects.create(
        shop=shop, form=form, magnet=magnet, contact=contact, email=contact.email, created_at=now, confirmed_at=now
    )
    Preference.objects.create(shop=shop, slug="size")
    store = Store.objects.create(shop=shop, slug="lyon", name="Lyon", street="1 rue X", city="Lyon", country="FR")
    optin.request(
        contact, channel=Channel.EMAIL, purpose=Purpose.MARKETING, source="form", wording="News", wording_version="1",
        must_prove=True, now=now,
    )  # fmt: skip
    question = Message.objects.latest("pk")
    export = notices.queue(
        shop, contact, channel=Channel.EMAIL, template="export", context={}, within=timedelta(days=1), now=now
    )
    ids = {"contact_id": contact.pk, "cart_id": cart.pk, "lead_id": lead.pk, "store_id": store.pk, "channel": "email"}
    return [{**ids, "message_id": one.pk} for one in (message, question, export)]


@pytest.fixture
def signed(rows):
    """Name -> tokens, of every kind that the engine makes."""
    found = {}
    for name, make in inspect.getmembers(tokens, inspect.isfunction):
        if make.__module__ == tokens.__name__ and not name.startswith(("_", "read_")):
            asked = inspect.signature(make).parameters
            found[name] = [make(**{key: ids[key] for key in asked}) for ids in rows]
    return found


@pytest.fixture
def stranger(link, products, signed, settings):
    """Every address of urls.py. What is known of one is said here; of a new one, only the methods it takes itself."""
    plenty = dict.fromkeys(LIMITS, 10**9)
    settings.RETARGET = settings.RETARGET | plenty | {"HEALTH_TOKEN": "t0ken", "TRUSTED_PROXY_COUNT": 1}
    words = [word for made in signed.values() for word in made]
    known = {
        "t": {"bodies": BEACONS, "types": [TEXT]},
        "forms/<slug:slug>/": {"words": ["guide"], "bodies": ANSWERS, "types": [JSON, FORM]},
        "r/<str:code>": {"words": [link.code]},
        "recover/<str:token>/": {"words": signed["recovery"]},
        "assets/<str:token>/": {"words": signed["asset"]},
        "preferences/<str:token>/": {"words": signed["preferences"], "bodies": CHOICES, "types": [FORM]},
        "graphql/": {
            "bodies": operations(schema.graphql_schema, [*words, "guide", "lea@mail.example"]),
            "types": [JSON],
        },
        "graphql/staff/": {"bodies": operations(staff_schema.graphql_schema, ["1"]), "types": [JSON]},
    }
    addresses = []
    for pattern in urls.urlpatterns:
        route = pattern.pattern._route
        allowed = Client().trace(f"/retarget/{route}").headers.get("Allow", "GET, POST").split(", ")
        # Where something may be sent, that is what matters.
        allowed += ["POST"] * 3 * ("POST" in allowed)
        own = [word for name, made in signed.items() if route.startswith(name) for word in made]
        values = {"words": own or words, "bodies": (*BEACONS, *ANSWERS, *CHOICES), **known.get(route, {})}
        addresses.append(Address(route, methods=allowed, **values))
    return Stranger(addresses)


@pytest.fixture
def crashes():
    """Every request at which a view let an exception through."""
    found = []

    def note(sender, request, **_):
        found.append(request.path)

    got_request_exception.connect(note)
    yield found
    got_request_exception.disconnect(note)


@pytest.fixture
def session():
    """The session cookie of somebody with every permission."""
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("staff"))
    return staff.cookies["sessionid"].value


@pytest.mark.promise
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_no_request_crashes_and_no_row_is_left_stuck(stranger, shop, session, crashes, promise, part):
    client = Client(raise_request_exception=False)
    met = visitors.meet(shop, grant=Grant(tracking=True), now=timezone.now())
    count, statuses, failed = length(20_000, 200_000) // PARTS, Counter(), []

    for number, request in enumerate(stranger.requests(count, seed=20_261_124 + part)):
        client.cookies.clear()
        match number % 3:
            case 0:
                client.cookies["retarget_visitor"] = met.key
            case 1:
                client.cookies["sessionid"] = session
        answer = client.generic(request.method, request.path, request.body, secure=number % 2 == 0, **request.extra)
        statuses[answer.status_code // 100] += 1
        if answer.status_code >= 500 and len(failed) < 5:
            failed.append((answer.status_code, request))

    tally = tick.once(now=timezone.now() + timedelta(minutes=5))
    stuck = Message.objects.filter(state__in=[MessageState.CLAIMED, MessageState.ATTEMPTING]).count()
    assert failed == []
    assert statuses[2] > count / 5, "most requests did not reach what they were meant for"
    promise(
        "X1",
        run=f"part {part} of {PARTS}: {count:,} generated requests over {len(stranger.addresses)} addresses",
        figure=f"{statuses[5]} of 5xx, {len(crashes)} tracebacks, {stuck + tally['failed']} stuck; {statuses[2]:,} of 2xx",
        bar="0, 0, 0",
        holds=not (statuses[5] or crashes or stuck or tally["failed"]),
    )


@pytest.mark.promise
def test_a_foreign_page_changes_nothing_anywhere(stranger, shop, session, promise):
    """With every cookie the browser has, as it posts a form or a text, and as it asks before it posts JSON."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies["sessionid"] = session
    client.cookies["retarget_visitor"] = visitors.meet(shop, grant=Grant(tracking=True), now=timezone.now()).key
    foreign = {"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "cross-site"}
    before, welcomed, sent = stored(), [], 0

    for address in stranger.addresses:
        if address.route.startswith(BEARERS) or "POST" not in address.methods:
            continue
        for word in address.words[:3]:
            path = f"/retarget/{re.sub('<.*?>', word, address.route)}"
            for body in address.bodies[::7] + address.bodies[:3]:
                for kind in (JSON, TEXT, FORM):
                    content = urlencode(body) if kind == FORM else json.dumps(body)
                    client.post(path, content, content_type=kind, **foreign)
                    sent += 1
            asked = client.options(path, headers={"access-control-request-method": "POST"}, **foreign)
            welcomed += [path] if "Access-Control-Allow-Origin" in asked.headers else []

    changed = [name for name, rows in stored().items() if rows != before[name]]
    client.post("/retarget/t", json.dumps(BEACONS[0]), content_type=TEXT, HTTP_ORIGIN="https://shop.example.com")
    assert stored()["Event"] != before["Event"], "the same from a page of the shop's own does change something"
    promise(
        "X18",
        run=f"{sent} requests from a foreign page to every address that takes a POST",
        figure=f"{len(changed)} tables changed, {len(welcomed)} preflights granted",
        bar="0, 0",
        holds=sent > 100 and not changed and not welcomed,
    )


def stored():
    """Every row but the anonymous counters."""
    counters = (Allowance, DailyCount)
    models = [model for model in apps.get_app_config("retarget_plugin").get_models() if model not in counters]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in (*models, Basket, Line)}
