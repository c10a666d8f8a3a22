"""Staff at their screens, in a project where no shop is but the test's own."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from retarget_plugin.models import (
    Attempt,
    Click,
    ConsentRecord,
    Coupon,
    CouponCode,
    CouponPool,
    Flow,
    Lead,
    Link,
    MessageBody,
    Preference,
    SaleorApp,
    Shop,
    Store,
    Suppression,
    Topic,
    WebhookCall,
)
from tests.lead_forms import make_form, make_magnet

from . import rows


@pytest.fixture(autouse=True)
def only_the_admin(db, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.ROOT_URLCONF = "tests.admin.urls"
    # `migrate` has made a shop for the settings' host.
    Flow.objects.update(version=None)
    Shop.objects.all().delete()


@pytest.fixture
def owner(admin_user):
    """A client that may do everything."""
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def staff(django_user_model):
    """staff("view_contact", ...) is a client of a member of staff with these permissions of ours and no others."""

    def build(*codenames):
        user = django_user_model.objects.create_user(f"staff-{'-'.join(codenames)}"[:150], is_staff=True)
        found = Permission.objects.filter(content_type__app_label="retarget_plugin", codename__in=codenames)
        assert found.count() == len(codenames)
        user.user_permissions.set(found)
        client = Client()
        client.force_login(user)
        return client

    return build


def page(name, *args):
    """URL of an admin page of ours: page("shop_change", 1)."""
    return reverse(f"admin:retarget_plugin_{name}", args=args)


def read(client, url, status=200):
    """The text of a page, its answer's status checked, without blanks around tags: templates may break lines as they like."""
    response = client.get(url)
    assert response.status_code == status, (url, response.status_code)
    return re.sub(r" ?(<[^>]*>) ?", r"\1", " ".join(response.content.decode().split()))


def queries(client, url):
    with CaptureQueriesContext(connection) as captured:
        read(client, url)
    return len(captured)


def everything(text="Lumen", **changes):
    """One row of every kind that has a screen, bound to each other; `text` stands wherever a shopper or staff may write."""
    shop = rows.shop(name=text, time_zone="Europe/Paris", **changes)
    contact = rows.contact(
        shop, email="ana@example.com", phone="+33612345678", first_name=text, last_name=text, postcode=text[:16]
    )
    contact.identities.create(shop=shop, external_id=f"{text}{shop.pk}", created_at=rows.NOW)
    record = ConsentRecord.objects.create(
        shop=shop,
        contact=contact,
        channel="email",
        state="granted",
        wording=text,
        wording_version=text[:40],
        source=text,
        proof={text: text},
        at=rows.NOW,
    )
    contact.consents.create(channel="email", state="granted", record=record, changed_at=rows.NOW)
    item = {"product_id": "1", "title": text, "quantity": 2, "unit_price": "24.95", "url": "https://shop.example.com/1"}
    cart = rows.cart(
        shop,
        contact=contact,
        reference=f"{text}{shop.pk}",
        items=[item],
        email="claimed@example.com",
        abandoned_at=rows.NOW,
    )
    flow = rows.flow(shop, name=text)
    run = rows.run(flow, cart=cart)
    message = rows.message(run, step="reminder", detail=text, gateway=text[:60])
    MessageBody.objects.create(
        message=message, subject=text, html=f"<html><body><p>{text}</p></body></html>", text=text, language="en"
    )
    Attempt.objects.create(
        message=message,
        fence=1,
        gateway=text[:60],
        outcome="accepted",
        code=text[:60],
        detail=text,
        started_at=rows.NOW,
    )
    rows.decision(
        shop,
        "sent",
        contact=contact,
        cart=cart,
        run=run,
        message=message,
        flow_slug=text[:60],
        step=text[:60],
        facts={text: text},
    )
    link = Link.objects.create(
        shop=shop,
        code=f"c{shop.pk}",
        message=message,
        destination=f"https://shop.example.com/{text}",
        created_at=rows.NOW,
    )
    Click.objects.create(link=link, at=rows.NOW, is_human=True)
    webhook = WebhookCall.objects.create(
        shop=shop,
        contact=contact,
        run=run,
        step=text[:60],
        url=f"https://crm.example/hook/{text}",
        detail=text,
        attempts_made=1,
        due_at=rows.NOW,
        created_at=rows.NOW,
    )
    order = rows.order(
        shop,
        contact=contact,
        cart=cart,
        number=text,
        email="claimed@example.com",
        items=[item],
        coupon_codes=[text],
        credited_message=message,
    )
    suppression = Suppression.objects.create(
        shop=shop, channel="email", key=f"{shop.pk:064}", reason="bounced", at=rows.NOW
    )
    magnet = make_magnet(
        shop,
        slug=f"m{shop.pk}",
        name=text,
        topic=text[:60],
        texts={"en": {"title": text, "text": text}},
        files=((text[:100], b"x"),),
        now=rows.NOW,
    )
    words = dict.fromkeys(("title", "text", "button", "done", "consent_email"), text)
    form = make_form(
        shop,
        slug=f"f{shop.pk}",
        name=text,
        magnet=magnet,
        topic=text[:60],
        texts={"en": words, "fr": words},
        paths=text,
        wording_version=text[:40],
        on_exit=True,
        now=rows.NOW,
    )
    ticked = {"channel": "email", "purpose": "marketing", "wording": text, "version": text[:40]}
    lead = Lead.objects.create(
        shop=shop,
        form=form,
        magnet=magnet,
        contact=contact,
        email=contact.email,
        first_name=text,
        answers={text: [text]},
        consents=[ticked],
        page=f"/{text}"[:500],
        language="en",
        code=text[:60],
        created_at=rows.NOW,
        confirmed_at=rows.NOW,
    )
    said = {"en": text, "fr": text}
    topic = Topic.objects.create(shop=shop, slug="books", labels=said)
    preference = Preference.objects.create(
        shop=shop, slug="pet", labels=said, options=[{"value": "dog", "labels": said}]
    )
    store = Store.objects.create(shop=shop, slug="lyon", name=text, street=text, city=text, note=text, country="FR")
    app = SaleorApp.objects.create(
        host=f"saleor{shop.pk}",
        api_url=f"https://{shop.pk}.saleor.example/graphql/",
        app_id=text[:120],
        token=text,
        jwks={"keys": [text]},
        keys_asked_at=rows.NOW,
        changed_at=rows.NOW,
    )
    terms = {
        "kind": "percent",
        "value": Decimal(5),
        "created_at": rows.NOW,
        "expires_at": rows.NOW + timedelta(days=30),
    }
    pool = CouponPool.objects.create(shop=shop, name=text[:120], **terms)
    CouponCode.objects.create(shop=shop, pool=pool, code=f"{text[:40]}-FREE")
    coupon = Coupon.objects.create(
        shop=shop, contact=contact, message=message, flow=flow, pool=pool, code=text[:60], key=message.key,
        currency="EUR", state="redeemed", cost=Decimal("2.50"), redeemed_at=rows.NOW, order=order, **terms,
    )  # fmt: skip
    return SimpleNamespace(
        coupon=coupon,
        couponpool=pool,
        saleorapp=app,
        topic=topic,
        preference=preference,
        store=store,
        magnet=magnet,
        leadform=form,
        lead=lead,
        shop=shop,
        contact=contact,
        consentrecord=record,
        cart=cart,
        flow=flow,
        run=run,
        message=message,
        link=link,
        webhookcall=webhook,
        order=order,
        suppression=suppression,
    )


MODELS = (
    "shop",
    "flow",
    "leadform",
    "magnet",
    "lead",
    "cart",
    "contact",
    "message",
    "consentrecord",
    "suppression",
    "order",
    "link",
    "webhookcall",
    "topic",
    "preference",
    "store",
    "saleorapp",
    "coupon",
    "couponpool",
)
#: What an owner writes; the others only happen.
SETTINGS = ("shop", "flow", "leadform", "magnet", "topic", "preference", "store", "couponpool")


def pages(found):
    """(model whose view permission opens it, URL) of every page there is to look at."""
    shown = []
    for name in MODELS:
        shown += [(name, page(f"{name}_changelist")), (name, page(f"{name}_change", getattr(found, name).pk))]
    shop, flow = found.shop.pk, found.flow.pk
    return [
        *shown,
        ("shop", page("shop_report")),
        ("shop", page("shop_report_of", shop)),
        ("shop", page("shop_report_file", shop, "days")),
        ("shop", page("shop_report_file", shop, "flows")),
        ("leadform", page("leadform_frame", found.leadform.pk, "en")),
        ("flow", page("flow_version", flow, 1)),
        ("flow", page("flow_backtest", flow)),
    ]
