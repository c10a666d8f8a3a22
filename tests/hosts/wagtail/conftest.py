"""A site with its root page and its staff. Collected only where Wagtail is installed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings as project
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin.engine import flows
from retarget_plugin.models import Flow, LeadForm, MessageBody, Shop
from tests.admin import rows

HAS_WAGTAIL = "retarget_plugin.contrib.wagtail" in project.INSTALLED_APPS
collect_ignore_glob = [] if HAS_WAGTAIL else ["test_*.py", "models.py"]

LISTS = ("flows", "messages", "leads", "lead_forms", "shops")
TEXTS = {
    "en": {
        "title": "Twelve close-ups",
        "text": "A guide of 24 pages.",
        "button": "Send me the guide",
        "done": "Look into your mailbox.",
        "consent_email": "Yes, e-mail me offers.",
    }
}


@pytest.fixture
def shop(db):
    Flow.objects.update(version=None)
    Shop.objects.all().delete()
    return Shop.objects.create(
        name="Lumen", base_url="https://shop.example.com", currency="EUR", locale="en", country="FR", host="default"
    )


@pytest.fixture
def add_form(shop):
    """`add_form("guide", kind="upgrade")`: a form that is on, on every page."""

    def add(slug="guide", **values):
        values = {"name": slug, "kind": "inline", "is_on": True, "texts": TEXTS, "consents": ["email"], **values}
        return LeadForm.objects.create(shop=shop, slug=slug, created_at=timezone.now() - timedelta(days=1), **values)

    return add


@pytest.fixture
def root(db):
    """The page below which a site's pages stand. The tables come from the models, so Wagtail's own rows are made here."""
    from wagtail.models import Collection, Locale, Page, Site

    Locale.objects.get_or_create(language_code="en")
    Collection.objects.first() or Collection.add_root(name="Root")
    home = Page.add_root(title="Home", slug="home")
    Site.objects.create(hostname="localhost", root_page=home, is_default_site=True)
    yield home
    # Wagtail remembers where its sites are.
    Site.clear_site_root_paths_cache()


@pytest.fixture
def add_article(root):
    """`add_article(("lead_form", {"form": "guide"}), retarget_topic="macro")`: a published page at /close-ups/."""
    from .models import ArticlePage

    def add(*body, **values):
        page = ArticlePage(title="Close-ups", slug="close-ups", body=list(body), **values)
        return root.add_child(instance=page)

    return add


@pytest.fixture
def owner(root, admin_user):
    """A client that may do everything."""
    client = Client()
    client.force_login(admin_user)
    return client


@pytest.fixture
def editor(root, django_user_model):
    """editor("view_lead", ...) is a client of somebody who may enter Wagtail's admin, with these permissions of ours."""

    def build(*codenames):
        user = django_user_model.objects.create_user(f"editor-{'-'.join(codenames)}"[:150])
        ours = Permission.objects.filter(content_type__app_label="retarget_plugin", codename__in=codenames)
        assert ours.count() == len(codenames)
        user.user_permissions.set([*ours, Permission.objects.get(codename="access_admin")])
        client = Client()
        client.force_login(user)
        return client

    return build


@pytest.fixture
def found(shop):
    """A flow with a message to Ana, and her answer to a lead form."""
    contact = rows.contact(shop, email="ana@example.com", phone="+33612345678")
    flow = Flow.objects.create(shop=shop, slug="reminder", name="Checkout reminder", trigger="", state="off")
    flows.publish(flow, {**rows.STEPS, "slug": flow.slug}, rows.MESSAGES, now=rows.NOW)
    message = rows.message(rows.run(flow, contact=contact), step="reminder")
    MessageBody.objects.create(
        message=message, subject="Dear Ana", html="<p>Dear Ana</p>", text="Dear Ana", language="en"
    )
    form = LeadForm.objects.create(
        shop=shop,
        slug="guide",
        name="Guide",
        texts={"en": {"title": "Guide", "button": "Send", "done": "Thanks", "consent_email": "Write to me."}},
        consents=["email"],
        on_exit=True,
        created_at=rows.NOW,
    )
    lead = form.leads.create(shop=shop, contact=contact, email=contact.email, first_name="Ana", created_at=rows.NOW)
    return {"flow": flow, "message": message, "lead": lead, "form": form, "shop": shop}


def address(name, *args):
    return reverse(f"retarget_{name}", args=args)


def pages(found):
    return [
        *(address(f"{name}:index") for name in LISTS),
        address("flows:inspect", found["flow"].pk),
        address("flows:publish", found["flow"].pk),
        address("flows:backtest", found["flow"].pk) + "?days=30",
        address("flows:version", found["flow"].pk, 1),
        address("flows:preview", found["flow"].pk, 1, "reminder", "fr"),
        address("flows:frame", found["flow"].pk, 1, "reminder", "fr"),
        address("flows:turn-on", found["flow"].pk),
        address("messages:inspect", found["message"].pk),
        address("leads:inspect", found["lead"].pk),
        address("lead_forms:add"),
        address("lead_forms:edit", found["form"].pk),
        address("lead_forms:history", found["form"].pk),
        address("shops:edit", found["shop"].pk),
        address("shops:history", found["shop"].pk),
        address("report:report"),
        address("report:report_of", found["shop"].pk),
    ]


def read(client, url, status=200):
    """The text of a page, its answer's status checked, without blanks around tags."""
    answer = client.get(url)
    assert answer.status_code == status, (url, answer.status_code)
    return re.sub(r" ?(<[^>]*>) ?", r"\1", " ".join(answer.content.decode().split()))
