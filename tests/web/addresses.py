"""Every public address of the plugin, with tokens that open something; and all rows that no visit may change."""

from __future__ import annotations

from datetime import timedelta

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from retarget_plugin import urls
from retarget_plugin.domain.vocabulary import Channel, Purpose
from retarget_plugin.engine import notices, optin, tokens
from retarget_plugin.models import Cart, Contact, Lead, Link, Message, Store
from tests.lead_forms import make_form, make_magnet
from tests.shop.models import Basket, Line
from tests.web.conftest import make_coupon, make_message

#: Where visits are counted, without a word about whose they were; and what a message tells about its own links.
COUNTED = {"Click", "DailyCount", "Event", "Allowance"}
#: What a followed link and a download may leave on these rows. Everything else on them stays.
NOTED = {"Message": {"clicked_at"}, "Lead": {"downloaded_at"}, "Contact": {"interests"}}


def names() -> set[str]:
    """The names of all addresses in urls.py. One without a name is another way to write one that has it."""
    return {str(pattern.name) for pattern in urls.urlpatterns if pattern.name}


def public(cart: Cart, message: Message, link: Link) -> dict[str, list[str]]:
    """Name -> addresses, most of them with and without a query. All tokens are `message`'s contact's."""
    contact, lead = message.contact, _lead(message.contact)
    asked = _asked(contact)
    store = Store.objects.create(shop=contact.shop, slug="lyon", name="Lyon", street="1 rue Mercière", city="Lyon")
    export = notices.queue(
        contact.shop,
        contact,
        channel=Channel.EMAIL,
        template="export",
        context={},
        within=timedelta(days=1),
        now=timezone.now(),
    )
    made = {
        "short_link": [link.code],
        "offer": [tokens.offer(message_id=make_coupon(make_message(contact)).message_id)],
        "recover": [tokens.recovery(cart_id=cart.pk, contact_id=contact.pk, message_id=message.pk)],
        "unsubscribe": [tokens.unsubscribe(contact_id=contact.pk, channel="email", message_id=message.pk)],
        "confirm": [tokens.confirm(contact_id=contact.pk, message_id=asked.pk)],
        "refuse": [tokens.confirm(contact_id=contact.pk, message_id=asked.pk)],
        "preferences": [tokens.preferences(contact_id=contact.pk)],
        "keep": [tokens.keep(contact_id=contact.pk)],
        "store": [tokens.store(store_id=store.pk, message_id=message.pk)],
        "assets": [tokens.asset(lead_id=lead.pk)],
        "export": [tokens.export(contact_id=contact.pk, message_id=export.pk)],
        "form": ["soups"],
        "receipts": ["default", "s3cret"],
        "saleor_manifest": ["saleor"],
        "saleor_register": ["saleor"],
        "saleor_webhooks": ["saleor"],
        "saleor_dashboard": ["saleor"],
        "saleor_report": ["saleor"],
        "saleor_switch": ["saleor", 1],
    }
    queries = {
        "pixel": ["?n=page_view&p=/books/"],
        "forms": ["?path=/books/&topic=books"],
        "unsubscribe": ["?from=page"],
        "preferences": ["?act=stop&shown=channel:email&was=channel:email"],
        "receipts": ["?MessageStatus=delivered&m=1", "?From=%2B33612345678&Body=STOP"],
        "assets": [f"?file={lead.magnet.files.get().pk}"],
        "graphql": ["?query=mutation{retargetWithdraw{ok}}"],
        "graphql_staff": ["?query={retargetContacts{totalCount}}"],
    }
    found = {}
    for name in sorted(names()):
        path = reverse(f"retarget_plugin:{name}", args=made.get(name, []))
        found[name] = [path, *(f"{path}{query}" for query in queries.get(name, []))]
    return found


def rows() -> dict[str, list[dict[str, object]]]:
    """Every value of every row of ours, of carts, sessions and accounts, but for what counts visits."""
    ours = [model for model in apps.get_app_config("retarget_plugin").get_models() if model.__name__ not in COUNTED]
    return {
        model.__name__: [
            {name: value for name, value in row.items() if name not in NOTED.get(model.__name__, ())}
            for row in model.objects.order_by("pk").values()
        ]
        for model in [*ours, Basket, Line, Session, get_user_model()]
    }


def _lead(contact: Contact) -> Lead:
    """Somebody who has confirmed the address and may download a guide."""
    now = timezone.now()
    magnet = make_magnet(contact.shop, now=now, files=(("soups.pdf", b"%PDF-1.7"),))
    form = make_form(contact.shop, magnet=magnet, now=now)
    facts = {"shop": contact.shop, "form": form, "magnet": magnet, "email": contact.email, "created_at": now}
    return Lead.objects.create(contact=contact, confirmed_at=now, **facts)


def _asked(contact: Contact) -> Message:
    """The question whether the address is theirs, on its way."""
    optin.request(
        contact,
        channel=Channel.EMAIL,
        purpose=Purpose.ALERTS,
        source="product page",
        wording="Tell me",
        wording_version="1",
        must_prove=True,
        now=timezone.now(),
    )
    return Message.objects.get(contact=contact, template="confirm")
