"""A shop in which somebody left a cart behind, the token of the message about it, and clients for both endpoints."""

import json
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from retarget_plugin.domain.carts import Item
from retarget_plugin.domain.vocabulary import CartState, Channel, FlowState, MessageState
from retarget_plugin.engine import tokens
from retarget_plugin.models import Cart, Contact, Flow, FlowRun, FlowVersion, Message, Shop
from tests.shop.models import Basket, Product

CART = """query Cart($token: String!) {
  retargetCart(token: $token) {
    currency quantity
    total { amount currency }
    lines {
      productId variantId sku title quantity url imageUrl isAvailable
      unitPrice { amount currency } total { amount currency }
    }
  }
}"""
RESTORE = """mutation Restore($token: String!) {
  retargetRestoreCart(input: {token: $token}) { url errors { field message code } }
}"""
MESSAGES = """query Messages(
  $first: Int, $after: String, $state: RetargetMessageState, $channel: RetargetChannel, $shop: ID
) {
  retargetMessages(first: $first, after: $after, state: $state, channel: $channel, shop: $shop) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node {
      id shop { id name } flow { id slug name } step channel recipient state reason attempts segments
      cost { amount currency } createdAt dueAt notAfter sentAt deliveredAt bouncedAt complainedAt openedAt clickedAt
      unsubscribedAt
    } }
  }
}"""


@pytest.fixture(autouse=True)
def urls(settings):
    settings.ROOT_URLCONF = "tests.api.urls"


def post(client, query, variables=None, *, path="/graphql/", **headers):
    body = json.dumps({"query": query, "variables": variables})
    return client.post(path, body, content_type="application/json", headers=headers)


def ask(client, query, variables=None, *, path="/graphql/", status=200, **headers):
    """The reply to a query as data; the status is part of what is expected."""
    response = post(client, query, variables, path=path, **headers)
    assert response.status_code == status, response.content
    return response.json()


@pytest.fixture
def ask_staff():
    def ask_as(user, query, variables=None, *, status=200):
        client = Client()
        client.force_login(user)
        return ask(client, query, variables, path="/graphql/staff/", status=status)

    return ask_as


def make_user(name, *, permissions=(), **flags):
    user = get_user_model().objects.create_user(name, **flags)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="retarget_plugin", codename__in=permissions)
    )
    return user


@pytest.fixture
def superuser(db):
    return get_user_model().objects.create_superuser("root")


@pytest.fixture
def shop(db):
    values = {"name": "Chez Léa", "base_url": "https://shop.example.com", "currency": "EUR"}
    return Shop.objects.update_or_create(host="default", scope="", defaults=values)[0]


@pytest.fixture
def contact(shop):
    return Contact.objects.create(
        shop=shop,
        email="camille.durand@mail.example",
        phone="+33612345678",
        first_name="Camille",
        last_name="Durand-Lefèvre",
        postcode="69003",
        created_at=timezone.now(),
    )


@pytest.fixture
def cart(contact):
    """Two shirts and a bag, as the shop has them now."""
    return make_cart(contact, [("Linen shirt", "49.90", 2), ("Canvas bag", "1234.50", 1)])


@pytest.fixture
def message(contact):
    return make_message(contact)


@pytest.fixture
def token(cart, message):
    return tokens.recovery(cart_id=cart.pk, contact_id=cart.contact_id, message_id=message.pk)


@pytest.fixture
def flow(shop):
    """A flow that was published once; `flow.version` is in use."""
    flow, _ = Flow.objects.update_or_create(
        shop=shop, slug="tests-cart", defaults={"name": "Cart left", "trigger": "cart_abandoned", "state": FlowState.ON}
    )
    flow.version = FlowVersion.objects.create(flow=flow, number=1, definition={}, published_at=timezone.now())
    flow.save()
    return flow


def make_cart(contact, lines):
    """A cart that is open in the shop. `lines`: (name, price, quantity)."""
    basket = Basket.objects.create(email=contact.email)
    for name, price, quantity in lines:
        product = Product.objects.create(name=name, price=Decimal(price))
        basket.lines.create(product=product, quantity=quantity)
    return make_row(contact, str(basket.pk), currency="EUR")


def make_gone_cart(contact, items, *, currency="EUR"):
    """A cart that the shop no longer has; what is known is what was last read."""
    return make_row(contact, "0", currency=currency, items=[item.to_data() for item in items])


def make_row(contact, reference, **values):
    now = timezone.now()
    row, _ = Cart.objects.update_or_create(
        shop=contact.shop,
        reference=reference,
        defaults={
            "contact": contact,
            "email": contact.email,
            "state": CartState.ABANDONED,
            "touched_at": now,
            "created_at": now,
            "abandoned_at": now,
            **values,
        },
    )
    return row


def make_item(**values):
    return Item(**{"product_id": "7", "title": "Scarf", "quantity": 1, "unit_price": Decimal("20"), **values})


def make_message(contact, *, run=None, **values):
    now = timezone.now()
    return Message.objects.create(
        **{
            "shop": contact.shop,
            "contact": contact,
            "run": run,
            "step": "reminder",
            "channel": Channel.EMAIL,
            "state": MessageState.ACCEPTED,
            "due_at": now,
            "not_after": now + timedelta(hours=8),
            "created_at": now,
            "key": uuid4(),
            **values,
        }
    )


def make_run(flow, contact, *, cart=None, **values):
    now = timezone.now()
    return FlowRun.objects.create(
        **{
            "shop": flow.shop,
            "flow": flow,
            "version": flow.version,
            "contact": contact,
            "cart": cart,
            "subject": f"cart:{uuid4()}",
            "anchored_at": now,
            "entered_at": now,
            **values,
        }
    )
