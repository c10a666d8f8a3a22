"""What an operator does to a running shop: press stop, migrate, restart old workers, change keys, try things out."""

from __future__ import annotations

import copy
import random
import time
from contextlib import closing

import pytest
from django.conf import settings as django_settings
from django.core import mail

from retarget_plugin import channels
from retarget_plugin.channels import WebhookRequest
from retarget_plugin.engine import consent, tokens
from retarget_plugin.exceptions import Refusal, SignatureError
from retarget_plugin.models import Message
from retarget_plugin.testing import build_contact, build_shop
from tests.engine.conftest import clock, host, shop, shopping  # noqa: F401
from tests.fakes.plain_gateway import PlainGatewayServer
from tests.fakes.smtp import SmtpServer
from tests.promises import length

from . import databases
from .storefront import Shoppers, Storefront

real_processes = [pytest.mark.slow, pytest.mark.xdist_group("processes"), pytest.mark.timeout(900)]


def in_place(marks):
    def mark(function):
        for one in marks:
            function = one(function)
        return function

    return mark


def tell(rig, statement):
    with closing(databases.connect(rig.database_url)) as connection:
        connection.execute(statement)


# -- O5: the stop button ----------------------------------------------------------------------------------------------

BOUND = 5.0
#: What is pressed -> (channels it stops, how it is pressed, how it is let go).
PRESSES = {
    "everything": (
        ("email", "sms"),
        lambda rig: rig.run("django", "retarget_stop"),
        lambda rig: rig.run("django", "retarget_resume"),
    ),
    "one flow": (
        ("email",),
        lambda rig: tell(rig, "UPDATE retarget_plugin_flow SET state = 'paused' WHERE slug = 'abandoned-cart'"),
        lambda rig: tell(rig, "UPDATE retarget_plugin_flow SET state = 'on' WHERE slug = 'abandoned-cart'"),
    ),
    "one channel": (
        ("sms",),
        lambda rig: tell(rig, "UPDATE retarget_plugin_shop SET sms_is_paused = TRUE"),
        lambda rig: tell(rig, "UPDATE retarget_plugin_shop SET sms_is_paused = FALSE"),
    ),
}


def first_bytes(rig, stopped):
    return [line["at"] for channel in stopped for line in rig.journal(channel)]


def press_once(rig, what, dice):
    """Press in the middle of the work; how many seconds later the last first byte came, and how many messages waited."""
    stopped, press, let_go = PRESSES[what]
    before = {channel: len(rig.journal(channel)) for channel in ("email", "sms")}
    rig.prepare(emails=40, texts=40, is_queued=True)
    while any(len(rig.journal(channel)) - before[channel] < 5 for channel in before):
        time.sleep(0.02)
    time.sleep(dice.uniform(0, 1))
    pressed = time.time()
    press(rig)
    time.sleep(BOUND + 2)
    latest = max(at - pressed for at in first_bytes(rig, stopped))
    waiting = rig.states()["scheduled"]
    let_go(rig)
    # A pause is looked at again after minutes: they pass.
    tell(rig, "UPDATE retarget_plugin_message SET due_at = created_at WHERE state = 'scheduled'")
    rig.settle(180)
    return latest, waiting


@in_place(real_processes)
@pytest.mark.promise
def test_pressed_stop_means_stop_and_nothing_is_lost(make_rig, promise):
    rates = {"EMAIL_RATE": 12.0, "SMS": {"default": {"RATE": 12.0}}}
    rig, count, rounds = make_rig(**rates), length(2, 8), length(1, 10)
    dice = random.Random(rig.seed)
    rig.start(count)

    found = {what: [press_once(rig, what, dice) for _round in range(rounds)] for what in PRESSES}

    verdict = rig.check()
    assert min(waiting for presses in found.values() for _latest, waiting in presses) > 0
    assert verdict.states == {"accepted": len(rig.ledger)}
    for what, presses in found.items():
        latest = max(latest for latest, _waiting in presses)
        promise(
            "O5",
            run=f"{what} stopped {rounds} times while {count} workers send",
            figure=f"last first byte {max(latest, 0):.2f} s after; lost {len(verdict.lost)}, doubles {len(verdict.doubled)}",
            bar=f"none later than {BOUND:.0f} s; lost 0",
            holds=latest <= BOUND and not verdict.lost and not verdict.doubled,
        )


# -- O1 and O2: migrations, and workers of before ----------------------------------------------------------------------


@in_place(real_processes)
@pytest.mark.promise
def test_the_plugin_migrates_away_and_back_beside_a_busy_shop(make_rig, promise):
    rig, rounds = make_rig(LEASE_SECONDS=30), length(1, 8)
    rig.prepare(emails=length(20, 1000))
    dice = random.Random(rig.seed)
    (old,) = rig.start(1)
    rig.settle(120)
    with Storefront(rig) as storefront, Shoppers(storefront, rate=length(8, 50)) as shoppers:
        for _round in range(rounds):
            rig.run("django", "migrate", "retarget_plugin", "zero", "-v0")
            half = rig.spawn("django", "migrate", "-v0")
            time.sleep(dice.uniform(0.1, 1.5))
            half.kill()
            half.wait()
            rig.run("django", "migrate", "-v0")
        back_at = time.monotonic()
        time.sleep(2)

    requests = shoppers.requests
    failed = [request for request in requests if not request.is_answered]
    slowest = max(request.seconds for request in requests)
    captured = {email for (email,) in rig.rows(
        "SELECT basket.email FROM shop_basket basket JOIN retarget_plugin_cart cart ON cart.reference = CAST(basket.id AS TEXT)"
    )}  # fmt: skip
    later = {request.email for request in shoppers.since(back_at) if request.page == "checkout" and request.is_answered}
    assert later
    assert later <= captured
    promise(
        "O1",
        run=f"no released version before this one; taken away, killed half-way, put back {rounds} times beside {len(requests):,} "
        "requests",
        figure=f"{len(failed)} requests failed, slowest {slowest:.2f} s",
        bar="0 failed, none over 2 s, the killed migration runs again",
        holds=not failed and slowest <= 2,
    )
    # The tables are new, and so are the people in them.
    rig.ledger.clear()
    tell(rig, "TRUNCATE shop_product CASCADE")
    rig.run("tests.faults.people")
    rig.prepare(emails=10, texts=10)
    rig.settle(60)
    ring = "from retarget_plugin.tasks import ring_tick as r; print(r.apply(args=['new'], kwargs={'batch': 5}).state)"
    rung = rig.run("django", "shell", "-c", ring)
    after = rig.rows("SELECT channel, state FROM retarget_plugin_message WHERE step IN ('reminder', 'sms')")
    promise(
        "O2",
        run="no released version before this one; a worker that was started before the migrations, a ring with unknown arguments",
        figure=f"{len(after)} messages by the old worker, {sum(state != 'accepted' for _channel, state in after)} not accepted; "
        f"the ring: {rung.split()[-1]}",
        bar="0 errors, 0 lost, 0 doubles",
        holds=old.returncode is None
        and len(after) == 20
        and {state for _channel, state in after} == {"accepted"}
        and rung.split()[-1] == "SUCCESS",
    )


# -- O7: keys change --------------------------------------------------------------------------------------------------


def reads(read, token):
    try:
        return bool(read(token))
    except Refusal:
        return False


@pytest.mark.promise
@pytest.mark.django_db
def test_links_outlive_a_new_secret_key_and_die_with_the_old_one(settings, clock, promise):  # noqa: F811
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "old", []
    shop = build_shop()  # noqa: F811
    person = build_contact(shop, now=clock.now, email="ana@example.com")
    recovery = [tokens.recovery(cart_id=n, contact_id=person.pk, message_id=n) for n in range(500)]
    unsubscribe = [tokens.unsubscribe(contact_id=person.pk, channel="email", message_id=n) for n in range(500)]
    consent.suppress(shop, channel="email", address="ana@example.com", reason="bounced", now=clock.now)

    def working():
        pages = [reads(lambda token: tokens.read_unsubscribe(token, is_page=True), token) for token in unsubscribe]
        suppressed = consent.is_suppressed(shop, channel="email", address="ana@example.com")
        return sum(reads(tokens.read_recovery, token) for token in recovery), sum(pages), suppressed

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]
    rotated = working()
    fresh = tokens.recovery(cart_id=1, contact_id=person.pk, message_id=1)
    settings.SECRET_KEY_FALLBACKS = []
    removed = working()

    promise(
        "O7",
        run="SECRET_KEY changed: 500 recovery links, 500 unsubscribe links, a suppressed address",
        figure=f"with the old key as fallback {rotated[0]} and {rotated[1]} work, the address {_kept(rotated[2])}; "
        f"without it {removed[0]} and {removed[1]}",
        bar="500, 500 and kept; then 0 and 0",
        holds=rotated == (500, 500, True) and removed[:2] == (0, 0) and reads(tokens.read_recovery, fresh),
    )


def _kept(is_suppressed):
    return "stays suppressed" if is_suppressed else "is forgotten"


def call(secret):
    return WebhookRequest(
        method="POST", url=f"https://shop.example.com/retarget/receipts/sms/default/{secret}/", body=b""
    )


def is_let_in(secret):
    try:
        channels.get_gateway("default").verify(call(secret))
    except SignatureError:
        return False
    return True


@pytest.mark.promise
def test_two_webhook_secrets_are_valid_while_one_is_changed(settings, promise):
    gateway = {"BACKEND": "retarget_plugin.channels.sms.http.HttpGateway", "OPTIONS": {"url": "http://127.0.0.1:9"}}
    rows = {}
    for name, secrets in {
        "old": "s-old",
        "both": ["s-new", "s-old"],
        "new": ["s-new"],
        "none": [],
        "blank": [""],
    }.items():
        settings.RETARGET = {"SMS": {"default": gateway}, "WEBHOOK_SECRETS": {"default": secrets}}
        rows[name] = [secret for secret in ("s-old", "s-new", "s-other", "") if is_let_in(secret)]

    promise(
        "O7",
        run="webhook secret changed by way of a list of two",
        figure=f"valid before, meanwhile, after: {rows['old']}, {rows['both']}, {rows['new']}",
        bar="the old one, both, the new one; never another",
        holds=rows == {"old": ["s-old"], "both": ["s-old", "s-new"], "new": ["s-new"], "none": [], "blank": []},
    )


# -- O8: a developer's copy --------------------------------------------------------------------------------------------


@pytest.fixture
def real_ways_out(settings):
    """E-mail by SMTP and texts by HTTP, to servers that take everything. Answers how many they took."""
    with SmtpServer() as mailbox, PlainGatewayServer() as provider:
        changed = copy.deepcopy(django_settings.RETARGET)
        options = {
            "url": f"{provider.url}/v1/messages",
            "auth": {"bearer": provider.token},
            "body": {"message": {"to": "{to}", "text": "{text}"}},
            "id_path": "messages.0.id",
        }
        backend = "retarget_plugin.channels.sms.http.HttpGateway"
        settings.RETARGET = changed | {"SMS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
        smtp = "django.core.mail.backends.smtp.EmailBackend"
        if hasattr(mail, "mailers"):
            settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": {"host": "127.0.0.1", "port": mailbox.port}}}
        else:
            settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = smtp, "127.0.0.1", mailbox.port
        yield lambda: len(mailbox.messages) + len(provider.sent)


@pytest.mark.promise
@pytest.mark.parametrize(
    ("debug", "send_in_debug", "leave"), [(True, False, 0), (True, True, 2), (False, False, 2)], ids=str
)
def test_a_developers_copy_sends_nothing(settings, real_ways_out, request, promise, debug, send_in_debug, leave):
    settings.DEBUG = debug
    settings.RETARGET = django_settings.RETARGET | {"SEND_IN_DEBUG": send_in_debug}
    shopping = request.getfixturevalue("shopping")  # noqa: F811
    shopping.consent("email", "sms")
    shopping.leave_cart(stage="checkout")
    shopping.wait(hours=1, minutes=1)
    shopping.wait(minutes=45)
    shopping.wait(hours=3)

    left, reasons = real_ways_out(), set(Message.objects.values_list("reason", flat=True))
    promise(
        "O8",
        run=f"DEBUG {'on' if debug else 'off'}, SEND_IN_DEBUG {'on' if send_in_debug else 'off'}, a whole story",
        figure=f"{left} of 2 messages left",
        bar=f"{leave}",
        holds=left == leave and ("not_live" in reasons) == (leave == 0),
    )
