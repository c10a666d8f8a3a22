"""Links, forwarded mail, shared devices and strangers' claims over HTTP: nobody becomes, sees or moves somebody else."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.domain.carts import Identity, Item
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import consent, leads, tokens, visitors
from retarget_plugin.hosts import Host
from retarget_plugin.models import Claim, Contact, Event, Message, Visitor
from tests.lead_forms import make_form
from tests.shop.models import Basket, Product
from tests.web.conftest import make_cart, make_link, make_message, recovery_url

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]

FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}
GRANT = {"tracking": True, "ads": False, "measurement": False, "wording": "2026-01", "source": "banner"}


@pytest.fixture
def mallory(shop):
    return Contact.objects.create(
        shop=shop,
        email="mallory@evil.example",
        phone="+33698765432",
        first_name="Mallory",
        last_name="Moriarty",
        created_at=timezone.now(),
    )


PERSONAL = {
    "camille.durand@mail.example": ("camille", "durand", "612345678", "6 12 34 56 78", "69003"),
    "mallory@evil.example": ("mallory", "moriarty", "698765432"),
}


def personal(response):
    text = (response.content.decode() + str(response.headers)).lower()
    return [word for words in PERSONAL.values() for word in words if word in text]


# --- recovery links ---------------------------------------------------------------------------------------------

SESSIONS = ("anonymous", "victim", "attacker", "staff")


@pytest.fixture
def accounts(db):
    make = get_user_model().objects.create_user
    return {
        "victim": make("camille", email="camille.durand@mail.example"),
        "attacker": make("mallory", email="mallory@evil.example"),
        "staff": make("root", is_staff=True, is_superuser=True),
    }


@pytest.fixture
def two_carts_each(contact, mallory):
    """Two people, two carts each that were left behind, of things nobody else has; (person, cart, message)."""
    left = []
    for person, name in product((contact, mallory), ("scarf", "hat")):
        title = f"{name} of {person.pk}"
        row = Product.objects.create(name=title, price=Decimal(20))
        item = Item(product_id=str(row.pk), title=title, quantity=2, unit_price=row.price)
        left.append((person, make_cart(person, items=[item]), make_message(person)))
    return left


def browse(session, accounts):
    """A browser in this session, with a thing of its own in its basket."""
    browser = Client(headers=FIREFOX)
    if session != "anonymous":
        browser.force_login(accounts[session])
    own, _is_new = Product.objects.get_or_create(name="own pen", defaults={"price": Decimal(5)})
    browser.get(f"/add/{own.pk}/")
    return browser


def lines(browser):
    basket = Basket.objects.get(pk=browser.session["basket"])
    return sorted(basket.lines.values_list("product__name", "quantity"))


@pytest.mark.promise
@pytest.mark.parametrize("session", SESSIONS)
def test_a_recovery_link_carries_one_cart_and_nothing_else(two_carts_each, accounts, shop, session, promise):
    opened = refused = 0
    wrong, identity = [], lambda browser: browser.session.get("_auth_user_id")

    carts, messages = ([row[place] for row in two_carts_each] for place in (1, 2))
    for cart, person, message in product(carts, {row[0] for row in two_carts_each}, messages):
        token = tokens.recovery(cart_id=cart.pk, contact_id=person.pk, message_id=message.pk)
        url, browser = reverse("retarget_plugin:recover", args=[token]), browse(session, accounts)
        before, is_right = identity(browser), cart.contact == person
        baskets = Basket.objects.count()
        answers = [browser.get(url), browser.post(url)]
        opened, refused = opened + is_right, refused + (not is_right)
        expected = [("own pen", 1), *((item["title"], 2) for item in cart.items if is_right)]
        if [r.status_code for r in answers] != ([200, 303] if is_right else [404, 404]):
            wrong.append(("status", [r.status_code for r in answers]))
        if lines(browser) != sorted(expected) or identity(browser) != before or Basket.objects.count() != baskets:
            wrong.append(("basket or session", lines(browser)))
        wrong += [word for response in answers for word in personal(response)]

    promise(
        "X4",
        run=f"{opened + refused} links of 2 people, 2 carts and 4 messages in every mix, session of {session}",
        figure=f"{opened} opened, {refused} refused, {len(wrong)} other effects {wrong[:3]}",
        bar="those of a person's own cart open, and add to the reader's basket; 0 other effects",
        holds=not wrong and opened == refused == 16,
    )
    assert Visitor.objects.count() == 0


# --- who is who -------------------------------------------------------------------------------------------------


@pytest.fixture
def form(shop):
    return make_form(shop, now=timezone.now())


class Browser:
    """A browser with a grant, in which somebody looks around, fills in forms and follows links."""

    def __init__(self, name):
        self.client, self.name = Client(headers=FIREFOX), name
        self.beacon("page_view")

    def beacon(self, event, *, grant=GRANT):
        body = {"v": 1, "grant": grant, "page": {"path": f"/{self.name}/"}, "events": [{"n": event}]}
        response = self.client.post("/retarget/t", json.dumps(body), content_type="text/plain")
        assert response.status_code == 204
        return response

    def claim(self, email):
        data = {"email": email, "consent_email_marketing": True}
        return self.client.post("/retarget/forms/soups/", json.dumps(data), content_type="application/json")

    def visitor(self):
        return visitors.find(self.client.cookies["retarget_visitor"].value)


def history_of(contact):
    return set(Event.objects.filter(contact=contact).values_list("path", flat=True))


def confirmation(contact):
    leads.ask(timezone.now())
    question = Message.objects.get(template="confirm", contact=contact)
    token = tokens.confirm(contact_id=contact.pk, message_id=question.pk)
    return reverse("retarget_plugin:confirm", args=[token])


def test_a_forwarded_mail_makes_its_reader_nobody(contact, cart, message, products, shop):
    preferences = reverse("retarget_plugin:preferences", args=[tokens.preferences(contact_id=contact.pk)])
    recover = recovery_url(cart, message)
    short = make_link(message, f"https://shop.example.com{recover}")
    friend = Browser("friend")

    answers = [
        friend.client.get(reverse("retarget_plugin:short_link", args=[short.code])),
        friend.client.get(recover),
        friend.client.post(recover),
        friend.client.get(preferences),
    ]
    friend.beacon("view_item")

    assert [response.status_code for response in answers] == [302, 200, 303, 200]
    assert friend.visitor().contact is None
    assert history_of(contact) == set()
    assert [word for response in answers[:3] for word in personal(response)] == []


def test_a_forwarded_confirmation_makes_its_reader_nobody(contact, form, shop):
    typed, reader = Browser("typed"), Browser("reader")
    typed.claim(contact.email)

    assert reader.client.post(confirmation(contact)).status_code == 200

    assert (typed.visitor().contact, reader.visitor().contact) == (None, None)
    assert history_of(contact) == set()


def test_an_attackers_beacons_with_the_victims_address_stay_an_attackers(contact, form, shop):
    attacker, victim = Browser("attacker"), Browser("victim")
    before = Contact.objects.values().get(pk=contact.pk)

    answers = [attacker.claim(contact.email), attacker.beacon("view_item")]
    leads.ask(timezone.now())
    after = Contact.objects.values().get(pk=contact.pk)
    victim.claim(contact.email)
    victim.client.post(confirmation(contact))
    answers.append(attacker.beacon("add_to_cart"))

    assert victim.visitor().contact == contact
    assert attacker.visitor().contact is None
    assert history_of(contact) == {"/victim/"}
    assert Claim.objects.filter(visitor=attacker.visitor()).get().proven_at is None
    assert [word for response in answers for word in personal(response)] == []
    assert after == before


class Accounts(Host):
    def account_of(self, user):
        return Identity(external_id=str(user.pk), email=user.email)


@pytest.fixture
def logs(shop, accounts, settings, django_capture_on_commit_callbacks):
    """Logs somebody in or out in a browser, as a shop's own page would."""
    settings.RETARGET = settings.RETARGET | {"HOSTS": {"default": {"BACKEND": f"{__name__}.Accounts"}}}
    from django.contrib.auth import login, logout
    from django.test import RequestFactory

    def act(browser, who):
        request = RequestFactory().post("/log-in/")
        request.session = browser.client.session
        request.COOKIES["retarget_visitor"] = browser.client.cookies["retarget_visitor"].value
        with django_capture_on_commit_callbacks(execute=True):
            if who:
                login(request, accounts[who], backend="django.contrib.auth.backends.ModelBackend")
            else:
                request.user = get_user_model().objects.get(pk=request.session["_auth_user_id"])
                logout(request)
        request.session.save()
        browser.client.cookies["sessionid"] = request.session.session_key

    return act


def test_a_shared_device_keeps_two_people_apart(shop, logs, accounts):
    kiosk = Browser("first")
    logs(kiosk, "victim")
    first = kiosk.visitor()
    logs(kiosk, None)
    assert kiosk.client.cookies["retarget_visitor"].value == first.key
    assert kiosk.visitor() is None
    kiosk.name = "second"
    kiosk.beacon("page_view")
    logs(kiosk, "attacker")
    kiosk.beacon("view_item")

    ana, mallory = (Contact.objects.get(email=accounts[name].email) for name in ("victim", "attacker"))
    assert (history_of(ana), history_of(mallory)) == ({"/first/"}, {"/second/"})
    assert (first.contact, kiosk.visitor().contact) == (ana, mallory)
    assert kiosk.visitor() != first


def test_whoever_logs_in_over_somebody_else_is_recognised_from_the_next_page(shop, logs, accounts):
    kiosk = Browser("first")
    logs(kiosk, "victim")
    logs(kiosk, "attacker")
    kiosk.name = "second"
    kiosk.beacon("page_view")

    ana, mallory = (Contact.objects.get(email=accounts[name].email) for name in ("victim", "attacker"))
    assert (history_of(ana), history_of(mallory)) == ({"/first/"}, {"/second/"})


def test_what_was_captured_for_an_address_is_not_given_to_whoever_registers_with_it(shop, contact, logs, accounts):
    accounts["attacker"].email = contact.email
    accounts["attacker"].save()
    consent.grant(contact, channel="email", source="form", is_confirmed=True, now=timezone.now())
    Event.objects.create(shop=shop, contact=contact, name="page_view", path="/hers/", at=timezone.now())
    attacker = Browser("attacker")

    logs(attacker, "attacker")
    answers = [attacker.beacon("view_item")]
    asked = {"query": "{ retargetVisitor { isKnown } }"}
    answers.append(attacker.client.post("/retarget/graphql/", json.dumps(asked), content_type="application/json"))

    assert answers[1].json() == {"data": {"retargetVisitor": {"isKnown": False}}}
    assert history_of(contact) == {"/hers/"}
    assert [word for response in answers for word in personal(response)] == []


def test_what_a_strangers_lead_says_of_an_address_is_not_its_owners(shop, contact, form):
    form.first_name = "optional"
    form.save()
    attacker = Browser("attacker")
    data = {"email": contact.email, "first_name": "Attacker", "consent_email_marketing": True}
    attacker.client.post("/retarget/forms/soups/", json.dumps(data), content_type="application/json")
    leads.ask(timezone.now())

    contact.refresh_from_db()
    assert contact.first_name == "Camille"
    assert not consent.allows(contact, "measurement")
    assert attacker.visitor().contact is None


def test_a_visitor_met_without_tracking_is_none(shop):
    browser = Client(headers=FIREFOX)
    visitors.meet(shop, grant=Grant(), now=timezone.now())
    body = {"v": 1, "grant": {**GRANT, "tracking": False}, "page": {"path": "/"}, "events": [{"n": "page_view"}]}

    response = browser.post("/retarget/t", json.dumps(body), content_type="text/plain")

    assert response.status_code == 204
    assert Visitor.objects.count() == 1
    assert not [morsel for morsel in response.cookies.values() if morsel.value]
