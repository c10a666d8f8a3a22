"""A message looked at before anybody gets it, and what is to be mended in it."""

from decimal import Decimal

import pytest

from retarget_plugin.domain.flows import FlowError
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.engine import flows, proofs
from retarget_plugin.exceptions import TemplateError
from retarget_plugin.models import Flow, FlowVersion, Link, Product
from retarget_plugin.testing import build_contact

pytestmark = pytest.mark.django_db


@pytest.fixture
def short_links(settings):
    """A shop with a short domain, as one that sends texts should have."""
    settings.RETARGET = {**settings.RETARGET, "SHORT_URL": "https://lum.example"}


def version_of(shop, slug):
    return Flow.objects.get(shop=shop, slug=slug).version


def published(shop, clock, messages, **changes):
    """A version of the checkout flow that says `messages`, in a step each."""
    flow = Flow.objects.get(shop=shop, slug="abandoned-checkout")
    sends = [{"channel": message["channel"], "message": key} for key, message in messages.items()]
    steps = [
        {"key": send["message"], "after": f"{hours}h", "deadline": f"{hours + 1}h", "send": send}
        for hours, send in enumerate(sends, 1)
    ]
    return flows.publish(flow, {**flow.version.definition, **changes, "steps": steps}, messages, now=clock.now)


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_every_shipped_message_can_be_looked_at(shop, clock, short_links, language):
    shop.free_shipping_from, shop.delivery_days = Decimal(60), 3
    versions = list(FlowVersion.objects.filter(flow__shop=shop).select_related("flow"))

    previews = [
        proofs.preview(version, key, shop=shop, language=language, now=clock.now)
        for version in versions
        for key in version.content
    ]

    assert len(versions) == len(flows.SHIPPED)
    assert {preview.language for preview in previews} == {language}
    assert {preview.segments for preview in previews} <= {None, 1}
    assert {preview.outgoing.to for preview in previews} == {"shopper@example.com", "+33612345678"}
    assert not Link.objects.exists()


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_every_shipped_text_is_one_segment_even_with_the_links_of_the_shop_itself(shop, clock, language):
    shop.free_shipping_from, shop.delivery_days = Decimal(60), 3
    versions = list(FlowVersion.objects.filter(flow__shop=shop).select_related("flow"))

    long = {
        (version.flow.slug, key): (preview.segments, len(preview.text), preview.text)
        for version in versions
        for key, compiled in version.content.items()
        if compiled["channel"] == Channel.SMS
        for preview in [proofs.preview(version, key, shop=shop, language=language, now=clock.now)]
        if preview.segments != 1
    }

    assert long == {}


def test_a_coupon_is_shown_where_the_step_offers_one(shop, clock):
    version = version_of(shop, "abandoned-checkout")

    shown = {key: proofs.preview(version, key, shop=shop, now=clock.now) for key in ("reminder", "coupon")}

    assert "MERCI-7K2P" in shown["coupon"].html
    assert shown["coupon"].subject.startswith("5%")
    assert "MERCI-7K2P" not in shown["reminder"].html


def test_a_preview_shows_the_shops_own_products(shop, clock):
    Product.objects.create(
        shop=shop, reference="9", title="Film 400", price=Decimal("12"), currency="EUR", updated_at=clock.now
    )

    preview = proofs.preview(version_of(shop, "abandoned-cart"), "reminder", shop=shop, now=clock.now)

    assert "- 1 × Film 400 - €12.00\n" in preview.text


def test_a_preview_is_written_to_a_contact(shop, clock):
    contact = build_contact(shop, now=clock.now, email="ana@example.com", first_name="Ana")
    version = version_of(shop, "abandoned-cart")

    preview = proofs.preview(version, "reminder", shop=shop, contact=contact, language="fr", now=clock.now)

    assert preview.outgoing.to == "ana@example.com"
    assert "Bonjour Ana," in preview.text


def test_a_preview_of_nothing_is_refused(shop, clock):
    with pytest.raises(TemplateError, match="there is no such message"):
        proofs.preview(version_of(shop, "abandoned-cart"), "nope", shop=shop, now=clock.now)


def test_a_slip_of_the_pen_is_refused_before_anything_is_sent(shop, clock):
    messages = {"hello": {"channel": "email", "en": {"subject": "Hi", "body": ["About {{ cart.titel }}"]}}}

    with pytest.raises(FlowError) as caught:
        published(shop, clock, messages)

    assert caught.value.problems == ["Message hello/en/body/1: nothing is known of cart.titel (line 1, column 10)."]
    assert FlowVersion.objects.filter(flow__slug="abandoned-checkout").count() == 1


def test_what_the_trigger_tells_nothing_of_is_refused(shop, clock):
    messages = {"hello": {"channel": "email", "en": {"subject": "Hi", "body": ["About {{ product.title }}"]}}}

    with pytest.raises(FlowError, match=r"nothing is known of product\.title"):
        published(shop, clock, messages)

    assert proofs.warnings(published(shop, clock, messages, trigger="product_viewed", stage="product")) == []


def test_a_slip_that_was_published_before_is_told_before_the_flow_goes_on(shop, clock):
    version = version_of(shop, "abandoned-cart")
    version.content["reminder"]["languages"]["en"]["body"] = ["About {{ cart.titel }}"]
    FlowVersion.objects.filter(pk=version.pk).update(content=version.content)

    told = proofs.warnings(FlowVersion.objects.get(pk=version.pk))

    assert told == ["reminder/en/body/1: nothing is known of cart.titel (line 1, column 10)"]


def test_the_shipped_flows_have_no_slips(shop):
    told = {version.flow.slug: proofs.warnings(version) for version in FlowVersion.objects.select_related("flow")}

    assert {slug: found for slug, found in told.items() if found} == {}


def test_a_preview_says_what_is_unwise(shop, clock):
    messages = {
        "loud": {"channel": "email", "en": {"subject": "BUY NOW!!", "body": ["See https://shady.example/x"]}},
        "long": {"channel": "sms", "en": {"text": "ж" * 71}},
    }
    version = published(shop, clock, messages)

    told = {key: proofs.advice(proofs.preview(version, key, shop=shop, now=clock.now), shop=shop) for key in messages}

    assert told == {
        "loud": [
            "The subject has more than one exclamation mark.",
            "A link leads to shady.example, which is not the shop's own.",
        ],
        "long": [
            "ж make every character cost more than twice as much.",
            "It is paid for as 2 messages (71 characters).",
        ],
    }


def test_the_first_words_are_a_made_up_shoppers_and_ask_nothing(shop, clock, short_links, django_assert_num_queries):
    version = version_of(shop, "abandoned-checkout")
    version.parsed  # noqa: B018

    with django_assert_num_queries(0):
        told = [proofs.first_words(version, key, shop=shop, language="fr", now=clock.now) for key in ("sms", "coupon")]

    assert told == [
        f"{shop.name} : Écharpe en laine grise (+1) vous attend. Terminer la commande : "
        "https://lum.example/retarget/r/Preview1 Pour refuser : STOP",
        f"5 % de remise sur votre panier {shop.name}",
    ]


def test_first_words_that_an_older_version_compiled_are_shown_as_written(shop, clock):
    version = version_of(shop, "abandoned-cart")
    del version.content["coupon"]["reads"]

    told = proofs.first_words(version, "coupon", shop=shop, language="en", now=clock.now)

    assert told == "{{ coupon.text }} off your cart at {{ shop.name }}"


@pytest.mark.parametrize("language", ["en", "fr", "es"])
def test_nothing_is_unwise_in_what_is_shipped(shop, clock, short_links, language):
    shop.free_shipping_from, shop.delivery_days = Decimal(60), 3
    told = {}
    for version in FlowVersion.objects.filter(flow__shop=shop).select_related("flow"):
        for key in version.content:
            preview = proofs.preview(version, key, shop=shop, language=language, now=clock.now)
            found = proofs.advice(preview, shop=shop)
            told |= {f"{version.flow.slug}/{key}": found} if found else {}

    assert told == {}


def test_a_service_message_does_not_say_how_to_unsubscribe(shop, clock):
    flow = Flow.objects.get(shop=shop, slug="unpaid-order")

    preview = proofs.preview(flow.version, "pay", shop=shop, now=clock.now)

    assert preview.outgoing.unsubscribe_url == ""
    assert "Unsubscribe" not in preview.html + preview.text
    assert flow.version.parsed.step("pay").channel == Channel.EMAIL
