"""A whole life of a customer, with everything that is logged listened to: nothing names them, and in the end nothing is left."""

from __future__ import annotations

import json
import logging
import re

import pytest
import redis
from celery import Celery
from django.conf import settings as django_settings
from django.utils import timezone

from retarget_plugin import tasks
from retarget_plugin.engine import erasures
from retarget_plugin.models import Attempt, Contact, Erasure
from tests import canaries, services
from tests.fakes.smtp import Mode
from tests.lead_forms import make_form, make_magnet
from tests.shop.models import Basket, Product, Purchase

from .test_double_opt_in import mails, path_of, text_of

pytestmark = [pytest.mark.delivery, pytest.mark.promise]

EMAIL, PHONE, NAME = "quokka.canary@example.com", "+33612349876", "Quokkabelle"
GRANT = {"tracking": True, "ads": True, "measurement": True, "wording": "2026-01", "source": "cmp"}
SECRET = "a-secret-key-of-quokkas"
MARKS = {"address": EMAIL, "phone": PHONE, "name": NAME, "page": "/quokka-page", "search": "quokka food"}
#: The far ends run in this process too; what they log is no business of the shop's.
FAR_ENDS = ("mail.log", "asyncio", "tests.")


class Ear(logging.Handler):
    """Hears every logger at every level, with what a formatter or an error tracker would make of a record."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.heard = []

    def emit(self, record):
        if not record.name.startswith(FAR_ENDS):
            extra = {key: value for key, value in record.__dict__.items() if key not in ("args", "msg", "exc_info")}
            # The text, its arguments, the traceback, and what was attached.
            self.heard.append(f"{record.name}: {self.format(record)} {record.args!r} {extra!r}")


@pytest.fixture
def ear():
    handler, root = Ear(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


def broker_dump():
    """Everything that beat puts into a broker in a round, as it lies there."""

    url = services.start_valkey()
    try:
        app = Celery("beat", broker=url)
        for entry in tasks.beat_schedule().values():
            app.send_task(entry["task"], args=entry.get("args", ()), kwargs=entry.get("kwargs", {}))
        store = redis.Redis.from_url(url)
        dumped = {key: store.lrange(key, 0, -1) if store.type(key) == b"list" else b"" for key in store.scan_iter()}
        assert any(dumped.values())
        return repr(dumped)
    finally:
        services.stop(url)


def shop_around(town, browser):
    """Looks, searches, asks for the guide, and confirms the address."""
    events = [
        {"n": "view_item", "i": "e1", "a": 0, "items": [{"item_id": "1", "item_name": "Macro lens"}]},
        {"n": "search", "i": "e2", "a": 0, "q": MARKS["search"]},
    ]
    body = {"v": 1, "grant": GRANT, "page": {"path": MARKS["page"]}, "events": events}
    assert browser.post("/retarget/t", json.dumps(body), content_type="text/plain").status_code == 204
    fields = {
        "email": EMAIL,
        "phone": PHONE,
        "first_name": NAME,
        "consent_email_marketing": True,
        "consent_sms_marketing": True,
    }
    told = browser.post("/retarget/forms/soups/", json.dumps(fields), content_type="application/json")
    assert told.status_code == 200, told.content
    town.wait(minutes=1)
    browser.post(path_of(text_of(mails(town)[0]), "confirm"))
    short = re.search(r"https://shop\.example\.com(/retarget/r/\S+)", town.twilio.sent[0]["body"])[1]
    browser.post(browser.get(short)["Location"].removeprefix("https://shop.example.com"))
    town.wait(minutes=1)


def meet_trouble(town):
    """Two abandoned baskets: one reminder that the mail server refuses in words that name the reader, one that goes."""
    for mode in (Mode.REFUSE_RECIPIENT, Mode.GREYLIST, Mode.NORMAL):
        town.mailbox.mode = mode
        browser = town.browser()
        browser.get(f"/add/{Product.objects.get().pk}/")
        browser.post("/checkout/", {"email": EMAIL})
        town.wait(hours=5)
        town.wait(days=8)


def test_a_life_is_told_nowhere_and_leaves_nothing(town, ear, settings, tmp_path, admin_user, promise):
    settings.SECRET_KEY = SECRET
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.RETARGET = {**django_settings.RETARGET, "HEARTBEAT_FILE": str(tmp_path / "heartbeat.json")}
    erasures._compared = None
    magnet = make_magnet(town.shop, now=timezone.now(), files=(("soups.pdf", b"%PDF-1.7"),))
    form = make_form(town.shop, now=timezone.now(), magnet=magnet, phone="optional", consents=["email", "sms"])
    form.first_name = "optional"
    form.save()
    browser = town.browser()

    shop_around(town, browser)
    meet_trouble(town)
    contact = Contact.objects.get(email=EMAIL)
    staff = town.browser()
    staff.force_login(admin_user)
    staff.get(f"/admin/retarget_plugin/contact/{contact.pk}/change/")
    before = canaries.found(MARKS, canaries.dump())
    for person in Contact.objects.filter(erased_at=None):
        staff.post(f"/admin/retarget_plugin/contact/{person.pk}/erase/")
    town.wait(minutes=1)

    kept = [path.read_text("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    logs = "\n".join(ear.heard)
    told = canaries.found(MARKS | {"key": SECRET, "gateway token": town.twilio.auth_token}, logs)
    Purchase.objects.all().delete()
    Basket.objects.all().delete()
    left = canaries.found(MARKS, canaries.dump(), broker_dump(), *kept)
    assert set(before) == set(MARKS)
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"accepted", "rejected", "transient"}
    assert Erasure.objects.count() == 2
    assert "personal data viewed" in logs
    promise(
        "X21",
        run=f"a visitor's, customer's and erased person's life; {len(ear.heard):,} log records at DEBUG",
        figure=f"told in logs: {told or 0}",
        bar="0",
        holds=not told,
    )
    promise(
        "P1",
        run="database, broker, media, journal and heartbeat file after the erasure",
        figure=f"left: {left or 0}",
        bar="0",
        holds=not left,
    )
