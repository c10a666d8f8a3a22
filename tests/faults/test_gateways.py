"""Gateways in trouble: where every answer and every silence leads a message, and what it costs the others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin import failpoints, hosts
from retarget_plugin.domain.carts import Identity
from retarget_plugin.engine import carts, delivery, flows, tick
from retarget_plugin.models import Attempt, FlowRun, Message, Shop
from retarget_plugin.testing import Clock, build_cart, build_contact, build_shop
from tests.channels.mailers import over_postmark, over_smtp
from tests.fakes.plain_gateway import PlainGatewayServer
from tests.fakes.postmark import PostmarkServer
from tests.fakes.smtp import Mode, SmtpServer
from tests.fakes.twilio import TwilioServer
from tests.fakes.web import PATIENCE_SECONDS, Fault, Reply, refusing_port

pytestmark = [
    pytest.mark.promise,
    pytest.mark.delivery,
    # The server is on loopback.
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]

PLAIN = {
    "BACKEND": "retarget_plugin.channels.sms.http.HttpGateway",
    "OPTIONS": {
        "auth": {"bearer": PlainGatewayServer.token},
        "body": {"message": {"to": "{to}", "text": "{text}", "ref": "{message_id}"}},
        "id_path": "messages.0.id",
        "error_path": "error.code",
        "errors": {"opted_out": ["opted_out"], "no_credit": ["no_balance"], "rejected": ["invalid_number"]},
        "success": {"path": "messages.0.state", "equals": ["queued", "sent"]},
        "connect_seconds": PATIENCE_SECONDS,
        "read_seconds": PATIENCE_SECONDS,
    },
}
TWILIO = {
    "BACKEND": "retarget_plugin.channels.sms.twilio.TwilioGateway",
    "OPTIONS": {
        "account_sid": TwilioServer.account_sid,
        "auth_token": TwilioServer.auth_token,
        "sender": "+15005550006",
        "connect_seconds": PATIENCE_SECONDS,
        "read_seconds": PATIENCE_SECONDS,
    },
}

NOON, LATER, BEFORE = "Wed, 21 Oct 2037 12:00:00 GMT", "Wed, 21 Oct 2037 12:00:20 GMT", "Wed, 21 Oct 2037 11:00:00 GMT"
REFUSED, NO_SUCH_HOST, BROKEN_TLS, WRONG_LOG_IN = "connection refused", "no such host", "broken TLS", "wrong log-in"
UNREACHABLE = (REFUSED, NO_SUCH_HOST, BROKEN_TLS)
#: Seconds until the first retry where the provider does not say.
USUAL = 30


def busy(**headers):
    return Reply(429, {}, headers={name.replace("_", "-"): value for name, value in headers.items()})


def twilio_error(status, code, **headers):
    return Reply(status, {"code": code, "message": "x", "status": status}, headers=headers)


#: way out, what befalls the message, the state it is in then, and where it is tried again: after how many seconds.
TABLE = [
    ("plain", None, "accepted", None),
    ("plain", busy(Retry_After="7"), "scheduled", 7),
    ("plain", busy(Retry_After=LATER, Date=NOON), "scheduled", 20),
    ("plain", busy(Retry_After=BEFORE, Date=NOON), "scheduled", USUAL),
    ("plain", busy(Retry_After="7200"), "scheduled", 3600),
    ("plain", busy(Retry_After="99999999999999999999"), "scheduled", USUAL),
    ("plain", busy(Retry_After="-5"), "scheduled", USUAL),
    ("plain", busy(Retry_After="0"), "scheduled", USUAL),
    ("plain", busy(Retry_After="soon"), "scheduled", USUAL),
    ("plain", busy(), "scheduled", USUAL),
    ("plain", Reply(408, {}), "scheduled", USUAL),
    ("plain", Reply(425, {}), "scheduled", USUAL),
    ("plain", Reply(401, {}), "scheduled", USUAL),
    ("plain", Reply(403, {}), "scheduled", USUAL),
    ("plain", Reply(402, {}), "scheduled", USUAL),
    ("plain", Reply(301, headers={"Location": "/elsewhere"}), "scheduled", USUAL),
    ("plain", Reply(302, headers={"Location": "/elsewhere"}), "unknown", None),
    ("plain", Reply(400, {}), "rejected", None),
    ("plain", Reply(404, body=b"<html>"), "rejected", None),
    ("plain", Reply(413, {}), "rejected", None),
    ("plain", Reply(422, {"error": {"code": "invalid_number"}}), "rejected", None),
    ("plain", Reply(422, {"error": {"code": "opted_out"}}), "rejected", None),
    ("plain", Reply(500, {"oops": True}), "unknown", None),
    ("plain", Reply(500, body=b""), "unknown", None),
    ("plain", Reply(502, body=b"<html>"), "unknown", None),
    ("plain", Reply(504, body=b""), "unknown", None),
    ("plain", Reply(503, body=b""), "unknown", None),
    ("plain", Reply(503, body=b"", headers={"Retry-After": "9"}), "scheduled", 9),
    ("plain", Reply(503, {"error": {"code": "closed"}}), "scheduled", USUAL),
    ("plain", Reply(204), "unknown", None),
    ("plain", Reply(207, {"messages": [{"id": "x-1", "state": "queued"}]}), "unknown", None),
    ("plain", Reply(201, {"messages": [{"id": "x-1", "state": "refused"}]}), "rejected", None),
    ("plain", Reply(201, {"messages": []}), "unknown", None),
    ("plain", Reply(201, {"messages": [{"state": "queued"}]}), "unknown", None),
    (
        "plain",
        Reply(201, body=b'{"messages": [{"id": "x-1", "state": "queued"}]}', headers={"Content-Type": "text/plain"}),
        "accepted",
        None,
    ),
    ("plain", Fault.HANG_BEFORE_BODY, "unknown", None),
    ("plain", Fault.HANG_AFTER_BODY, "unknown", None),
    ("plain", Fault.RESET_BEFORE_BODY, "unknown", None),
    ("plain", Fault.RESET_AFTER_BODY, "unknown", None),
    ("plain", Fault.CLOSE_AFTER_BODY, "unknown", None),
    ("plain", Fault.GARBAGE_AFTER_BODY, "unknown", None),
    ("plain", Fault.HALF_ANSWER, "unknown", None),
    ("plain", Fault.BROKEN_SUCCESS, "unknown", None),
    ("plain", Fault.EMPTY_SUCCESS, "unknown", None),
    ("plain", Fault.HTML_SUCCESS, "unknown", None),
    ("plain", Fault.HUGE_SUCCESS, "unknown", None),
    ("plain", Fault.DRIP, "accepted", None),
    ("plain", REFUSED, "scheduled", USUAL),
    ("plain", NO_SUCH_HOST, "scheduled", USUAL),
    ("plain", BROKEN_TLS, "scheduled", USUAL),
    ("keyed", Reply(500, {}), "scheduled", USUAL),
    ("keyed", Reply(503, body=b""), "scheduled", USUAL),
    ("keyed", Fault.HANG_AFTER_BODY, "scheduled", USUAL),
    ("keyed", Fault.RESET_AFTER_BODY, "scheduled", USUAL),
    ("keyed", Fault.BROKEN_SUCCESS, "scheduled", USUAL),
    ("keyed", Reply(400, {}), "rejected", None),
    ("twilio", twilio_error(400, 21211), "rejected", None),
    ("twilio", twilio_error(400, 21610), "rejected", None),
    ("twilio", twilio_error(400, 21611), "scheduled", USUAL),
    ("twilio", twilio_error(429, 20429, **{"Retry-After": "3"}), "scheduled", 3),
    ("twilio", twilio_error(503, 20500), "scheduled", USUAL),
    ("twilio", twilio_error(400, 99999), "rejected", None),
    ("twilio", Reply(500, body=b"oops"), "unknown", None),
    ("twilio", Reply(201, {"status": "queued"}), "unknown", None),
    ("twilio", Reply(201, {"status": "failed", "sid": "SM" + "a" * 32, "error_code": 30006}), "rejected", None),
    ("twilio", Fault.RESET_AFTER_BODY, "unknown", None),
    ("postmark", Reply(422, {"ErrorCode": 406, "Message": "inactive"}), "rejected", None),
    ("postmark", busy(Retry_After="2.5"), "scheduled", 2.5),
    ("postmark", Reply(401, {}), "scheduled", USUAL),
    ("postmark", Reply(500, {}), "unknown", None),
    ("postmark", Reply(200, {"ErrorCode": 0, "Message": "OK"}), "unknown", None),
    ("postmark", Fault.HANG_AFTER_BODY, "unknown", None),
    ("postmark", REFUSED, "scheduled", USUAL),
    ("smtp", Mode.NORMAL, "accepted", None),
    ("smtp", Mode.ODD_SUCCESS, "accepted", None),
    ("smtp", Mode.GREYLIST, "scheduled", USUAL),
    ("smtp", Mode.TOO_BUSY, "scheduled", USUAL),
    ("smtp", Mode.REFUSE_RECIPIENT, "rejected", None),
    ("smtp", Mode.REFUSE_SENDER, "rejected", None),
    ("smtp", Mode.REFUSE_TEXT, "rejected", None),
    ("smtp", Mode.DROP_BEFORE_DATA, "scheduled", USUAL),
    ("smtp", Mode.HANG_AT_DATA, "scheduled", USUAL),
    ("smtp", Mode.DROP_AFTER_DATA, "unknown", None),
    ("smtp", Mode.HANG_AFTER_DATA, "unknown", None),
    ("smtp", REFUSED, "scheduled", USUAL),
    ("smtp", NO_SUCH_HOST, "scheduled", USUAL),
    ("smtp", BROKEN_TLS, "scheduled", USUAL),
    ("smtp", WRONG_LOG_IN, "scheduled", USUAL),
]


class Ways:
    """The ways out of one shop, each over a faithful local server, and a trouble for each as it is wanted."""

    def __init__(self, settings, plain, keyed, twilio, postmark, smtp, *, refusing):
        """`keyed`: a gateway like `plain` that keeps idempotency keys. `refusing`: a port where nobody answers."""
        self.settings, self.plain, self.keyed, self.twilio = settings, plain, keyed, twilio
        self.postmark, self.smtp, self.refusing = postmark, smtp, refusing
        plain.drip_seconds = 0.0005
        keys = {"idempotency_header": "Idempotency-Key", "idempotency_key_life": 900.0}
        self.gateways = {
            "twilio": with_options(TWILIO, base_url=twilio.url),
            "keyed": with_options(PLAIN, url=f"{keyed.url}/v1/messages", **keys),
        } | {
            way: with_options(PLAIN, url=f"{self.address(plain, trouble)}/v1/messages")
            for way, trouble in [("plain", None), *((f"plain, {name}", name) for name in UNREACHABLE)]
        }

    def arrange(self, way, trouble=None):
        """Messages go by `way`, and `trouble` befalls the next one; without it, the next is well received."""
        server = getattr(self, way)
        if way == "smtp":
            server.mode = trouble if isinstance(trouble, Mode) else Mode.NORMAL
            self._mail_over_smtp(trouble)
            return
        server.next_answers = [trouble] if isinstance(trouble, Reply | Fault) else []
        if way == "postmark":
            over_postmark(self.settings, self.postmark, api_url=self.address(self.postmark, trouble))
        else:
            Shop.objects.update(sms_gateway=f"{way}, {trouble}" if trouble in UNREACHABLE else way)

    def taken(self, way):
        """How many messages the provider has taken, also where it never said so."""
        return len(self.smtp.messages if way == "smtp" else getattr(self, way).sent)

    def address(self, server, trouble):
        """Where `server` is, or where it is not."""
        if trouble == REFUSED:
            return f"http://127.0.0.1:{self.refusing}"
        if trouble == NO_SUCH_HOST:
            return "http://gateway.invalid"
        # The server speaks plain HTTP.
        return server.url.replace("http:", "https:") if trouble == BROKEN_TLS else server.url

    def _mail_over_smtp(self, trouble):
        options = {"username": "shop", "password": "right", "use_ssl": trouble == BROKEN_TLS}
        if trouble == WRONG_LOG_IN:
            options["password"] = "wrong"
        if trouble == REFUSED:
            options["port"] = self.refusing
        if trouble == NO_SUCH_HOST:
            options["host"] = "mail.invalid"
        over_smtp(self.settings, self.smtp, **options)


def with_options(gateway, **options):
    return {**gateway, "OPTIONS": {**gateway["OPTIONS"], **options}}


@pytest.fixture
def ways(settings, db):
    """Each row of the table is about one message: a run of bad ones does not close the gateway."""
    mailbox = SmtpServer(user="shop", password="right")
    with (
        PlainGatewayServer() as plain,
        PlainGatewayServer(keeps_keys=True) as keyed,
        TwilioServer() as twilio,
        PostmarkServer() as postmark,
        mailbox as smtp,
        refusing_port() as refusing,
    ):
        ways = Ways(settings, plain, keyed, twilio, postmark, smtp, refusing=refusing)
        settings.RETARGET = {
            **settings.RETARGET,
            "HOSTS": {"default": {"BACKEND": "retarget_plugin.testing.FakeHost"}},
            "SMS": ways.gateways,
            "BREAKER_FAILURES": 10_000,
        }
        yield ways


class People:
    """A shop, and people who have left a cart there: `people.next(channel)` is a message to the next one, due now."""

    def __init__(self, count, clock):
        self.clock, shop, host = clock, build_shop(sms_gateway="plain"), hosts.get_host("default")
        for flow in flows.install(shop, now=clock.now):
            flows.turn_on(flow, now=clock.now)
        for number in range(count):
            # The plain gateway refuses numbers that end in 0001, 0004 and 0015.
            email, phone = f"person{number}@example.com", f"+33600001{number + 100}"
            build_contact(shop, now=clock.now, channels=("email", "sms"), email=email, phone=phone)
            host.carts[str(number)] = build_cart(str(number), identity=Identity(email=email))
            carts.touch(host="default", reference=str(number), now=clock.now)
        clock.advance(hours=1, minutes=1)
        tick.once(now=clock.now)
        self.runs = iter(FlowRun.objects.order_by("pk"))

    def next(self, channel):
        return delivery.queue(
            next(self.runs),
            step="sms" if channel == "sms" else "reminder",
            channel=channel,
            due_at=self.clock.now,
            not_after=self.clock.now + timedelta(hours=4),
            now=self.clock.now,
        )


@pytest.fixture
def clock():
    return Clock()


def follow(ways, message, way, trouble, *, clock):
    """What becomes of `message`: (state, seconds until it is tried again or None)."""
    before = ways.taken(way)
    ways.arrange(way, trouble)
    delivery.dispatch(now=clock.now)
    message.refresh_from_db()
    ended = Attempt.objects.get(message=message).ended_at
    wait = (message.due_at - ended).total_seconds() if message.state == "scheduled" else None
    came_of_it = (message.state, wait)

    # What was certainly not taken, or has a key, is handed over once more, and not sooner than it was asked for.
    is_down_for_good = way == "plain" and trouble in UNREACHABLE
    ways.arrange(way, trouble if is_down_for_good else None)
    if wait is not None:
        assert way == "keyed" or ways.taken(way) == before
        delivery.dispatch(now=message.due_at - timedelta(seconds=1))
        assert Attempt.objects.filter(message=message).count() == 1
    delivery.dispatch(now=message.due_at if wait is not None else clock.now + timedelta(hours=2))
    message.refresh_from_db()
    assert message.state == ("accepted" if wait is not None and not is_down_for_good else came_of_it[0])
    assert Attempt.objects.filter(message=message).count() == (1 if wait is None else 2)
    if is_down_for_good:
        assert delivery.cancel(message, by="the test", now=clock.now)
    if message.state == "rejected":
        assert ways.taken(way) == before
    assert ways.taken(way) - before <= 1
    return came_of_it


def test_every_answer_and_silence_leads_where_it_belongs(ways, clock, promise):
    people = People(len(TABLE), clock)

    wrong = []
    for way, trouble, state, wait in TABLE:
        message = people.next("email" if way in ("smtp", "postmark") else "sms")
        found = follow(ways, message, way, trouble, clock=clock)
        if found != (state, wait):
            wrong.append(f"{way}, {trouble}: {found}, not {(state, wait)}")

    assert Message.objects.count() == len(TABLE)
    promise(
        "D9",
        run=f"{len(TABLE)} answers and silences of 5 gateways through dispatch, each then left alone or tried again",
        figure=f"{len(TABLE) - len(wrong)}/{len(TABLE)} as expected {'; '.join(wrong)}".strip(),
        bar="all, of at least 40; Retry-After to ±1 s, at most 1 h, absurd ones ignored",
        holds=not wrong and len(TABLE) >= 40,
    )


class WorkerDied(BaseException):
    """Stands for the end of a worker's process: nothing of it is handled."""


def die(stop):
    if stop == "after_response":
        raise WorkerDied


KEY_LIFE = timedelta(minutes=15)


@pytest.mark.parametrize("trouble", ["the answer was lost", "the worker died"])
def test_a_key_is_used_again_within_its_life_and_never_after(ways, clock, promise, trouble):
    stalls = [timedelta(minutes=minutes) for minutes in (3, 8, 12, 14, 16, 20, 60)]
    people = People(len(stalls), clock)
    server, came_of_it = ways.keyed, []

    for stall in stalls:
        before, calls = ways.taken("keyed"), len(server.calls)
        message, start = people.next("sms"), clock.now
        if trouble == "the worker died":
            ways.arrange("keyed")
            failpoints.arm(die)
            with pytest.raises(WorkerDied):
                delivery.dispatch(now=start)
            failpoints.arm(None)
        else:
            ways.arrange("keyed", Fault.RESET_AFTER_BODY)
            delivery.dispatch(now=start)
        ways.arrange("keyed")
        if stall > KEY_LIFE:
            server.forget_keys()
        for later in (stall, stall + timedelta(seconds=40), stall + timedelta(hours=1)):
            delivery.recover(now=start + later)
            delivery.dispatch(now=start + later)
        message.refresh_from_db()
        came_of_it.append((message.state, ways.taken("keyed") - before, len(server.calls) - calls))

    used_again = [("accepted", 1, 2) if stall < timedelta(minutes=13) else ("unknown", 1, 1) for stall in stalls]
    promise(
        "D10",
        run=f"key life 15 min, {trouble}, the next try after 3 to 60 min: {len(stalls)} stalls",
        figure=f"{sum(taken - 1 for _, taken, _ in came_of_it)} doubles; "
        f"{sum(state == 'unknown' for state, _, _ in came_of_it)} unknown and not sent again",
        bar="0 doubles; past the key's life unknown, not sent again",
        holds=came_of_it == used_again,
    )
