"""A flow's messages are read before anybody gets them: what is never known, what is not asked for, what looks bad."""

import pytest

from retarget_plugin.domain import content, flows, proofs, samples, subjects
from retarget_plugin.domain.vocabulary import Trigger
from retarget_plugin.engine import layouts

URL = samples.SHORT_URL
COUPON = {"percent": 5, "valid": "72h"}


def flow(body, *, trigger="product_viewed", requires=(), coupon=None, layout="letter", sms="", **changes):
    """A definition and its one message, compiled."""
    channel = "sms" if sms else "email"
    send = {"channel": channel, "message": "hello", **({"coupon": coupon} if coupon else {})}
    step = {"key": "step", "after": "1h", "deadline": "9h", "requires": list(requires), "send": send}
    definition = flows.parse({"slug": "x", "trigger": trigger, "stage": "product", "steps": [step], **changes})
    written = {"text": sms} if sms else {"subject": "Hi", "body": [body]}
    message = {"channel": channel, "en": written, **({} if sms else {"layout": layout})}
    return definition, content.compile_messages({"hello": message}, layouts.shipped(), trigger=definition.trigger)


def slips(*arguments, **changes):
    return [finding.facts["variable"] for finding in proofs.errors(*flow(*arguments, **changes))]


@pytest.mark.parametrize(
    ("body", "trigger", "unknown"),
    [
        ("{{ cart.total.text }}", "cart_abandoned", []),
        ("{{ cart.total.text }}", "product_viewed", ["cart.total.text"]),
        ("{{ product.price.text }} {{ product.old_price.text }}", "price_drop", []),
        ("{{ product.colour }}", "price_drop", ["product.colour"]),
        ("{{ product.title }}", "no_order", ["product.title"]),
        ("{{ order.number }} {{ order.total.text }}", "order_unpaid", []),
        ("{{ order.number }}", "no_visit", ["order.number"]),
        ("{{ magnet.name }} {{ magnet.url }}", "magnet_downloaded", []),
        ("{{ magnet.name }}", "cart_abandoned", ["magnet.name"]),
        ("{{ topic.name }}", "interest_shown", []),
        ("{{ topic.name }}", "no_order", ["topic.name"]),
        ("{{ recommendations[0].title }} {{ posts.first.summary }}", "no_visit", []),
        ("{% for one in new_products %}{{ one.price.text }}{% endfor %}", "no_visit", []),
        ("{{ question.text }} {{ store.distance }} {{ preferences_url }} {{ link }}", "site_left", []),
        ("{{ contact.nickname }}", "site_left", ["contact.nickname"]),
    ],
)
def test_a_name_is_known_where_the_trigger_tells_of_it(body, trigger, unknown):
    assert slips(body, trigger=trigger) == unknown


def test_a_topic_is_known_where_the_flow_has_one_or_waits_for_one():
    assert slips("{{ topic.name }}", trigger="no_order", topic="macro") == []


def test_a_coupon_is_known_where_the_step_offers_one():
    assert slips("{{ coupon.code }}") == ["coupon.code"]
    assert slips("{{ coupon.code }} {{ coupon.expires }} {{ coupon.text }}", coupon=COUPON) == []


def test_a_link_to_stay_is_known_where_staying_ends_the_flow():
    assert slips("{{ keep_url }}", trigger="unengaged") == ["keep_url"]
    assert slips("{{ keep_url }}", trigger="unengaged", exits=["keep"]) == []


def test_a_slip_is_told_with_its_place():
    (finding,) = proofs.errors(*flow("Hello\n {{ cart.title }}"))

    assert str(finding) == "hello/en/body/1: nothing is known of cart.title (line 2, column 5)"


@pytest.mark.parametrize(
    ("body", "requires", "told"),
    [
        ("{{ recommendations[0].title }}", [], "recommendations"),
        ("{{ recommendations[0].title }}", ["recommendations"], None),
        ("{% if recommendations.size > 0 %}{{ recommendations[0].title }}{% endif %} Hello", [], None),
        ("{% for post in posts %}{{ post.title }}{% endfor %}", [], "posts"),
        ("{{ store.name }}", ["store_near"], None),
    ],
)
def test_a_step_says_what_not_every_reader_has(body, requires, told):
    found = [str(finding) for finding in proofs.advice(*flow(body, requires=requires))]

    assert found == ([f"step: speaks of {told}, which not every reader has; say so: requires {told}"] if told else [])


def test_a_message_is_written_to_a_made_up_reader_and_looked_at():
    found = proofs.advice(*flow("See https://elsewhere.example/x"))

    assert [str(finding) for finding in found] == [
        "hello/en: A link leads to elsewhere.example, which is not the shop's own."
    ]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{{ shop }}", "shop is a group of values; name the one to print (line 1, column 1)"),
        ("{{ 100 | divided_by: 0 }}%", "divided_by: can't divide by 0 (line 1, column 10)"),
        (
            "{{ product.old_price.text }}",
            "product.old_price.text is missing here; give it a default, or ask {% if %} first",
        ),
        (
            "{% for i in (1..9999) %}{% for j in (1..9999) %}x{% endfor %}{% endfor %}",
            "too many turns of a loop (line 1, column 4)",
        ),
        (
            "{% assign a = 'x' %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}{{ a }}",
            "local namespace limit reached (line 1, column 24)",
        ),
    ],
)
def test_what_cannot_be_written_to_anybody_or_costs_too_much_is_an_error_with_its_place(body, problem):
    found = proofs.errors(*flow(body))

    assert [str(finding).startswith(f"hello/en/body/1: {problem}") for finding in found] == [True], found


def test_a_text_of_more_than_ten_messages_is_an_error():
    assert [str(finding) for finding in proofs.errors(*flow("", sms="x" * 1_531))] == [
        "hello/en: is 11 messages long; 10 at the most"
    ]
    assert proofs.errors(*flow("", sms="x" * 1_530)) == []


def test_a_text_is_counted_as_it_is_sent():
    found = proofs.advice(*flow("", sms="{{ shop.name }}: ’été’ " + "x" * 150))

    assert [str(finding) for finding in found] == ["hello/en: It is paid for as 2 messages (169 characters)."]


@pytest.mark.parametrize("language", ["en", "fr", "es", "de"])
@pytest.mark.parametrize("trigger", Trigger)
def test_there_is_something_believable_for_every_trigger(trigger, language):
    sample = samples.subject(trigger, language=language, currency="EUR", base_url=samples.URL)

    context = subjects.context(sample, samples.addresses(URL), currency="EUR", language=language, locale=language)

    assert [name for name, value in context.items() if not value] == []
    assert (context["product"]["old_price"] is not None) is (trigger == Trigger.PRICE_DROP)
    assert len({one["title"] for one in context["recommendations"]} | {context["product"]["title"]}) == 4
    assert all(choice["url"] == URL for choice in context["question"]["choices"])
