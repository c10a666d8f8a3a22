"""From a due message and today's cart to what a channel is handed."""

import copy
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings as django_settings

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.messages import OutgoingEmail, OutgoingSms
from retarget_plugin.domain.subjects import Subject
from retarget_plugin.engine import composing, delivery, flows, seals, tokens
from retarget_plugin.exceptions import ConfigurationError, TemplateError
from retarget_plugin.models import Cart, Contact, Flow, FlowRun, Link, Message
from retarget_plugin.testing import build_cart, build_contact, build_item

pytestmark = pytest.mark.django_db

RELATED = ("shop", "contact", "run__flow", "run__version", "run__cart")


class Desk:
    """Queues messages of the shop's checkout flow to one contact about one cart, and has them composed."""

    def __init__(self, shop, clock):
        self.shop, self.clock = shop, clock
        self.contact = build_contact(shop, now=clock.now, email="ana@example.com", phone="+33612345678")
        self.row = Cart.objects.create(shop=shop, reference="17", touched_at=clock.now, created_at=clock.now)
        self.flow = Flow.objects.get(shop=shop, slug="abandoned-checkout")

    def say(self, key, channel="email", *, cart=None, **contact):
        """Compose step `key` about `cart` after changing the contact's fields."""
        return composing.compose(
            self.queue(key, channel, **contact), subject=Subject(cart=cart or build_cart()), now=self.clock.now
        )

    def queue(self, key, channel="email", **contact):
        if contact:
            Contact.objects.filter(pk=self.contact.pk).update(**contact)
        run = FlowRun.objects.create(
            shop=self.shop,
            flow=self.flow,
            version=self.flow.version,
            contact=self.contact,
            cart=self.row,
            subject=f"{self.row.subject}:{FlowRun.objects.count()}",
            anchored_at=self.clock.now,
            entered_at=self.clock.now,
        )
        later = self.clock.now + timedelta(hours=1)
        queued = delivery.queue(
            run, step=key, channel=channel, due_at=self.clock.now, not_after=later, now=self.clock.now
        )
        return Message.objects.select_related(*RELATED).get(pk=queued.pk)

    def rewrite(self, key, **languages):
        """Publish the flow with other words for `key`."""
        definition = self.flow.version.definition
        messages = {key: {"channel": "email", **languages}}
        steps = [step for step in definition["steps"] if step["key"] == key]
        flows.publish(self.flow, {**definition, "steps": steps}, messages, now=self.clock.now)


@pytest.fixture
def desk(shop, clock):
    return Desk(shop, clock)


@pytest.fixture
def retarget(settings):
    """Change one RETARGET setting."""

    def change(**given):
        settings.RETARGET = {**copy.deepcopy(django_settings.RETARGET), **given}

    return change


# -- e-mail -----------------------------------------------------------------------------------------------------------


def test_a_mail_is_handed_over_whole(desk):
    message = desk.queue("reminder", first_name="Ana")

    composed = composing.compose(message, subject=Subject(cart=build_cart()), now=desk.clock.now)

    outgoing = composed.outgoing
    assert isinstance(outgoing, OutgoingEmail)
    assert (outgoing.message_id, outgoing.idempotency_key) == (str(message.pk), str(message.key))
    assert outgoing.to == "ana@example.com"
    assert (outgoing.from_email, outgoing.from_name) == ("hello@shop.example.com", "Lumen Camera")
    assert outgoing.reply_to == "help@shop.example.com"
    assert outgoing.subject == composed.subject == "Your order at Lumen Camera is waiting for you"
    assert outgoing.tags == ("abandoned-checkout", "reminder")
    seal = seals.of(message, seals.REPORT)
    assert outgoing.metadata == {"retarget_message": str(message.pk), "retarget_seal": seal}
    assert outgoing.unsubscribe_mailbox == ""
    assert (outgoing.track_opens, outgoing.track_clicks) == (False, False)
    assert (composed.html, composed.text) == (outgoing.html, outgoing.text)
    assert (composed.language, composed.segments) == ("en", None)
    assert "Hello Ana," in composed.text
    assert "- 1 × Macro lens 90 mm - €499.00" in composed.text


def test_the_one_link_of_a_mail_leads_to_the_cart_rebuilt(desk):
    message = desk.queue("reminder")

    composed = composing.compose(message, subject=Subject(cart=build_cart()), is_measured=True, now=desk.clock.now)

    link = Link.objects.get()
    address = f"https://shop.example.com/retarget/r/{link.code}"
    token = link.destination.removeprefix("https://shop.example.com/retarget/recover/").rstrip("/")
    assert tokens.read_recovery(token) == tokens.RecoveryToken(desk.row.pk, desk.contact.pk, message.pk)
    assert link.message_id == message.pk
    assert composed.html.count(f'href="{address}"') == 2
    assert composed.text.count(address) == 1


def test_unsubscribing_is_one_full_address_in_header_html_and_text(desk):
    message = desk.queue("reminder")

    composed = composing.compose(message, subject=Subject(cart=build_cart()), now=desk.clock.now)

    address = composed.outgoing.unsubscribe_url
    token = address.removeprefix("https://shop.example.com/retarget/unsubscribe/").rstrip("/")
    expected = tokens.UnsubscribeToken(desk.contact.pk, "email", message.pk)
    assert tokens.read_unsubscribe(token, is_page=False) == expected
    assert f'href="{address}"' in composed.html
    assert f"Unsubscribe: {address}" in composed.text


def test_with_a_mailbox_each_mail_names_an_address_of_its_own_that_unsubscribes(desk, retarget):
    retarget(UNSUBSCRIBE_MAILBOX="stop@in.shop.example")
    message = desk.queue("reminder")

    composed = composing.compose(message, subject=Subject(cart=build_cart()), now=desk.clock.now)

    assert composed.outgoing.unsubscribe_mailbox == seals.mailbox(message)
    assert composed.outgoing.unsubscribe_mailbox.startswith(f"stop+{message.pk}-")


def test_a_shop_without_sender_writes_from_the_projects_address(desk, settings):
    settings.DEFAULT_FROM_EMAIL = "The Project <noreply@project.example.com>"
    desk.shop.sender_email, desk.shop.reply_to = "", "desk@shop.example.com"
    desk.shop.save()

    outgoing = desk.say("reminder").outgoing

    assert (outgoing.from_email, outgoing.from_name) == ("noreply@project.example.com", "Lumen Camera")
    assert outgoing.reply_to == "desk@shop.example.com"


def test_no_message_is_written_without_a_public_address(desk, retarget):
    retarget(PUBLIC_URL="")

    with pytest.raises(ConfigurationError, match=r'RETARGET\["PUBLIC_URL"\]'):
        desk.say("reminder")


@pytest.mark.parametrize(
    ("contact_locale", "cart_locale", "shop_locale", "language", "price"),
    [
        ("", "", "en", "en", "€1,499.00"),
        ("fr", "", "en", "fr", "1\u202f499,00\u00a0€"),
        ("fr-CA", "", "en", "fr", "1\u00a0499,00\u00a0€"),
        ("es_ES", "fr", "fr", "es", "1.499,00\u00a0€"),
        ("", "fr", "es", "fr", "1\u202f499,00\u00a0€"),
        ("", "", "es", "es", "1.499,00\u00a0€"),
        ("de", "fr", "fr", "en", "€1,499.00"),
        ("nonsense!!", "", "fr", "en", "€1,499.00"),
    ],
)
def test_a_mail_speaks_the_readers_language(desk, contact_locale, cart_locale, shop_locale, language, price):
    desk.shop.locale = shop_locale
    desk.shop.save()
    cart = build_cart(items=(build_item(unit_price=Decimal("1499")),), identity=Identity(locale=cart_locale))

    composed = desk.say("reminder", cart=cart, locale=contact_locale)

    assert composed.language == language
    assert f"90 mm - {price}" in composed.text


def test_a_price_is_in_the_carts_own_currency(desk):
    assert "Total: CHF499.00" in desk.say("reminder", cart=build_cart(currency="CHF")).text
    assert "Total: €499.00" in desk.say("reminder", cart=build_cart(currency="")).text


@pytest.mark.parametrize("name", ["", " ", "http://evil.example", "None\r\nBcc: x@example.com"])
def test_a_name_that_is_none_is_not_missed(desk, name):
    text = desk.say("reminder", first_name=name).text

    assert "Hello," in text.splitlines()


def test_a_shoppers_name_is_escaped(desk):
    composed = desk.say("reminder", first_name="Jo & O'Neil")

    assert "<p>Hello Jo &amp; O&#39;Neil,</p>" in composed.html
    assert "Hello Jo & O'Neil," in composed.text.splitlines()


HOSTILE = [
    ('<img src=x onerror="alert(1)">', "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;"),
    ("{{ shop.secret }}{% for i in (1..9) %}", "{ shop.secret }}% for i in (1..9) %}"),
    ("Lens\r\nBcc: all@example.com", "Lens Bcc: all@example.com"),
    ("\u202egnp.exe\u202c \u2066x\u2069", "gnp.exe x"),
    ("Lens \x00\x1b[31m\ud800", "Lens [31m"),
    ("--><script>", "--&gt;&lt;script&gt;"),
    ("x" * 10_000, "x" * 119 + "…"),
]


@pytest.mark.parametrize(("title", "shown"), HOSTILE, ids=lambda value: value[:20].encode("unicode_escape").decode())
def test_a_hostile_title_is_only_a_title(desk, title, shown):
    cart = build_cart(items=(build_item(title=title, image_url="javascript:alert(1)"),))

    composed = desk.say("reminder", cart=cart)

    assert shown in composed.html
    assert "javascript:" not in composed.html
    assert "<script" not in composed.html
    assert 'onerror="' not in composed.html
    assert "{{" not in composed.html + composed.text
    assert len(composed.html) < 30_000
    assert composed.subject == "Your order at Lumen Camera is waiting for you"


@pytest.mark.parametrize(("title", "shown"), HOSTILE, ids=lambda value: value[:20].encode("unicode_escape").decode())
def test_a_hostile_title_makes_no_long_text(desk, title, shown):
    composed = desk.say("sms", "sms", cart=build_cart(items=(build_item(title=title),)))

    assert "\n" not in composed.text
    assert composed.segments == 1


def test_a_title_in_a_subject_brings_no_header(desk):
    desk.rewrite("question", en={"subject": "About {{ cart.title }}", "body": "Hello"})

    composed = desk.say("question", cart=build_cart(items=(build_item(title="Lens\r\nBcc: all@example.com"),)))

    assert composed.subject == "About Lens Bcc: all@example.com"


def test_a_picture_is_shown_with_its_title(desk):
    cart = build_cart(items=(build_item(image_url="https://shop.example.com/lens.jpg?a=1&b=2"),))

    html = desk.say("reminder", cart=cart).html

    assert '<img src="https://shop.example.com/lens.jpg?a=1&amp;b=2" alt="Macro lens 90 mm"' in html


def test_a_cart_that_cannot_be_bought_any_more_is_not_mailed(desk):
    cart = build_cart(items=(build_item(is_available=False),))

    with pytest.raises(TemplateError, match="nothing in the cart can be bought any more"):
        desk.say("reminder", cart=cart)


def test_a_mail_about_a_cart_needs_the_cart(desk):
    message = desk.queue("reminder")

    with pytest.raises(TemplateError, match=r"cart\.title is missing here"):
        composing.compose(message, now=desk.clock.now)


def test_a_step_that_says_nothing_is_refused(desk):
    message = desk.queue("reminder", "sms")

    with pytest.raises(TemplateError, match="no sms message is written for this step"):
        composing.compose(message, subject=Subject(cart=build_cart()), now=desk.clock.now)


def test_an_error_names_message_language_part_and_place(desk):
    desk.rewrite("reminder", en={"subject": "Hi", "body": ["ok", "Dear\n {{ contact.last_name }},"]})

    with pytest.raises(TemplateError) as caught:
        desk.say("reminder")

    assert str(caught.value).startswith("reminder/en/body/2: contact.last_name is missing here")
    assert (caught.value.line, caught.value.column) == (2, 2)


def test_composing_reads_nothing_but_its_link(desk, django_assert_max_num_queries):
    message = desk.queue("reminder")
    cart = build_cart()

    # The link: looked for, and made within a savepoint.
    with django_assert_max_num_queries(4):
        composing.compose(message, subject=Subject(cart=cart), now=desk.clock.now)


# -- SMS --------------------------------------------------------------------------------------------------------------


def test_a_text_is_handed_over_whole(desk):
    message = desk.queue("sms", "sms")

    composed = composing.compose(message, subject=Subject(cart=build_cart()), now=desk.clock.now)

    outgoing = composed.outgoing
    link = Link.objects.get()
    assert isinstance(outgoing, OutgoingSms)
    assert (outgoing.message_id, outgoing.idempotency_key) == (str(message.pk), str(message.key))
    assert (outgoing.to, outgoing.sender) == ("+33612345678", "")
    assert (
        outgoing.text
        == composed.text
        == (
            "Lumen Camera: Macro lens 90 mm is still in your cart. Finish your order: "
            f"https://shop.example.com/retarget/r/{link.code} Reply STOP to opt out"
        )
    )
    assert (composed.subject, composed.html, composed.segments) == ("", "", 1)


def test_a_text_of_a_flow_is_marketing(desk):
    assert desk.say("sms", "sms").outgoing.is_marketing is True


def test_a_text_about_several_items_names_one_and_counts_the_rest(desk):
    cart = build_cart(items=[build_item(title=title) for title in ("Macro lens", "Tripod", "Bag")])

    assert desk.say("sms", "sms", cart=cart).text.startswith("Lumen Camera: Macro lens (+2) is still in your cart.")


def test_a_french_text_is_written_in_plain_letters(desk):
    cart = build_cart(items=(build_item(title="Écharpe d’été “bleu ciel”"),))

    text = desk.say("sms", "sms", cart=cart, locale="fr").text

    assert text.startswith('Lumen Camera : Écharpe d\'été "bleu ciel" vous attend. Terminer la commande : https://')
    assert text.endswith(" Pour refuser : STOP")


@pytest.mark.parametrize(
    ("gateway", "sender", "ending"),
    [
        ({"STOP": "STOP au 36111"}, "LUMEN", " STOP au 36111"),
        ({"STOP": "STOP au [STOP_CODE]"}, "LUMEN", " STOP au [STOP_CODE]"),
        ({"STOP": ""}, "LUMEN", None),
        ({}, "+33700000000", " Reply STOP to opt out"),
        ({}, "38080", " Reply STOP to opt out"),
        ({}, "", " Reply STOP to opt out"),
    ],
)
def test_a_text_tells_how_to_stop(desk, retarget, gateway, sender, ending):
    retarget(SMS={"default": {"BACKEND": "retarget_plugin.channels.sms.memory.MemoryGateway", **gateway}})
    desk.shop.sms_sender = sender
    desk.shop.save()

    text = desk.say("sms", "sms").text

    assert text.endswith(ending or f"/r/{Link.objects.get().code}")


def test_who_cannot_be_answered_gives_a_link_to_stop(desk):
    desk.shop.sms_sender = "LUMEN"
    desk.shop.save()

    composed = desk.say("sms", "sms")

    stop = Link.objects.get(destination__contains="/unsubscribe/")
    assert composed.text.endswith(f" Stop: https://shop.example.com/retarget/r/{stop.code}")
    assert composed.segments == 2


def test_a_text_of_more_than_ten_segments_is_refused(desk):
    definition = desk.flow.version.definition
    # The made-up reader to whom it is written when it is published is not met by it.
    text = "{% if contact.first_name == 'Ana' %}" + "a" * 1531 + "{% else %}Hello{% endif %}"
    messages = {"sms": {"channel": "sms", "en": {"text": text}}}
    flows.publish(desk.flow, {**definition, "steps": definition["steps"][:1]}, messages, now=desk.clock.now)

    with pytest.raises(TemplateError, match="is 11 segments long; 10 at the most"):
        desk.say("sms", "sms", first_name="Ana")


def test_short_links_take_the_shops_shorter_domain(desk, retarget):
    retarget(SHORT_URL="https://lum.example/")

    text = desk.say("sms", "sms").text

    assert f"https://lum.example/retarget/r/{Link.objects.get().code} " in text
