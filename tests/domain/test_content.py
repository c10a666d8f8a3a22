"""Authored messages compiled once, and what the shipped ones say in three languages."""

import html
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

import retarget_plugin
from retarget_plugin.domain import content, contexts, flows, sms
from retarget_plugin.domain.carts import Cart, Item
from retarget_plugin.domain.words import WORDS
from retarget_plugin.exceptions import TemplateError

SHIPPED = Path(retarget_plugin.__file__).parent / "templates" / "retarget_plugin"
LAYOUTS = {path.name: path.read_text("utf-8") for path in (SHIPPED / "layouts").iterdir()}
FLOWS = {path.stem: json.loads(path.read_text("utf-8")) for path in (SHIPPED / "flows").glob("*.json")}
LANGUAGES = ("en", "fr", "es")
WRITTEN = [
    (flow, key, language)
    for flow, data in FLOWS.items()
    for key, message in data["messages"].items()
    for language in message.keys() - {"channel", "layout"}
]
MAILS = [(flow, key, language) for flow, key, language in WRITTEN if key != "sms"]
TEXTS = [(flow, key, language) for flow, key, language in WRITTEN if key == "sms"]

SMALL = {
    "cart.mjml": "<mjml><mj-body><mj-section><mj-column><mj-text>{{ message.heading }}"
    "{% for p in message.body %}<p>{{ p }}</p>{% endfor %}</mj-text></mj-column></mj-section></mj-body></mjml>",
    "cart.txt": "{% for p in message.body %}{{ p }}\n{% endfor %}{{ words.unsubscribe }}",
}
EMAIL = {"subject": "Hi {{ name }}", "heading": "Hello", "body": ["One", "Two"]}


def sample(language="en", **changes):
    """The context of a shop with a 12-character name and a short link of 32 characters."""
    url = "https://go.shop.example/Ab3dE9xZ"
    items = [
        Item(
            product_id="1",
            title="Linen shirt with a mandarin collar, size M",
            quantity=2,
            unit_price=Decimal("54"),
            image_url="https://shop.example/media/shirt.jpg",
        ),
        Item(product_id="2", title="Tom & Jerry <mug>", quantity=1, unit_price=Decimal("1228")),
    ]
    context = {
        "language": language,
        **contexts.direction(language),
        "shop": {
            "name": "Maison Lune!",
            "url": "https://shop.example",
            "logo_url": None,
            "sender_name": None,
            "postal_address": "12 rue des Lilas, 35000 Rennes",
            "support_email": "help@shop.example",
            "support_phone": None,
            "currency": "EUR",
            "free_shipping_from": contexts.money(Decimal(60), "EUR", language),
            "delivery_days": 3,
        },
        "contact": {"first_name": "Ana", "last_name": None},
        "cart": contexts.cart_context(
            Cart(reference="1", currency="EUR", items=items), url=url, currency="EUR", locale=language
        ),
        "coupon": contexts.coupon_context(
            "MERCI-7K2P", percent=Decimal(5), expires_at=datetime(2026, 12, 12, tzinfo=UTC), locale=language
        ),
        "unsubscribe_url": "https://shop.example/retarget/unsubscribe/token/",
        "stop": "STOP au 36111",
    }
    return {**context, **changes}


@pytest.fixture(scope="module")
def compiled():
    return {name: content.compile_messages(data["messages"], LAYOUTS) for name, data in FLOWS.items()}


def compile_one(message, layouts=SMALL):
    return content.compile_messages({"reminder": message}, layouts)["reminder"]


def mail(**parts):
    return {"channel": "email", "fr": EMAIL | parts}


# -- compiling --------------------------------------------------------------------------------------------------------


def test_a_mail_is_compiled_to_one_frame_and_the_words_of_each_language():
    message = {"channel": "email", "en": EMAIL, "fr-CA": EMAIL | {"subject": "Salut {{ name }}", "body": "Un seul"}}

    compiled = compile_one(message)

    assert compiled == json.loads(json.dumps(compiled))
    assert (compiled["channel"], compiled["layout"]) == ("email", "cart")
    assert "{{ message.heading }}" in compiled["html"]
    assert "<mj-" not in compiled["html"]
    assert compiled["text"] == SMALL["cart.txt"]
    assert compiled["languages"]["fr-CA"]["body"] == ["Un seul"]
    assert compiled["languages"]["fr-CA"]["words"]["unsubscribe"] == "Se désabonner"


def test_a_text_is_compiled_without_a_frame():
    compiled = compile_one({"channel": "sms", "de": {"text": "Hallo {{ name }}", "words": {"stop_link": "Stopp:"}}})

    assert set(compiled) == {"channel", "languages"}
    assert compiled["languages"]["de"]["text"] == "Hallo {{ name }}"
    assert compiled["languages"]["de"]["words"]["stop_link"] == "Stopp:"
    assert compiled["languages"]["de"]["words"]["stop_reply"] == "Reply STOP to opt out"


@pytest.mark.parametrize(
    ("message", "part", "problem", "place"),
    [
        (mail(subject="Bonjour {{ name"), "reminder/fr/subject", "{{ is not closed", (1, 9)),
        (mail(body=["ok", "a\n{% nope %}"]), "reminder/fr/body/2", "unexpected tag 'nope'", (2, 4)),
        (mail(subject=" "), "reminder/fr/subject", "is empty", (0, 0)),
        (mail(body=[]), "reminder/fr/body", "is empty", (0, 0)),
        (mail(body=[1]), "reminder/fr/body", "must be text", (0, 0)),
        (mail(buton="x"), "reminder/fr/buton", "unknown part", (0, 0)),
        (mail(words={"total": 1}), "reminder/fr/words", "must be texts", (0, 0)),
        ({"channel": "email", "fr": []}, "reminder/fr", "must hold", (0, 0)),
        ({"channel": "sms", "fr": EMAIL}, "reminder/fr/body", "unknown part", (0, 0)),
        ({"channel": "email"}, "reminder", "is written in no language", (0, 0)),
        ({"channel": "fax", "fr": EMAIL}, "reminder", "channel must be one of email, sms", (0, 0)),
        ({"channel": "email", "layout": "x", "fr": EMAIL}, "reminder", "there is no layout 'x'", (0, 0)),
        (None, "reminder", "channel must be one of", (0, 0)),
    ],
)
def test_a_wrong_message_is_refused_by_message_language_part_line_and_column(message, part, problem, place):
    with pytest.raises(TemplateError) as caught:
        compile_one(message)

    assert caught.value.part == part
    assert caught.value.args[0].startswith(problem)
    assert (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize(
    ("source", "problem", "place"),
    [
        ("<mjml>\n <mj-body>\n  <mj-txt>x</mj-txt></mj-body></mjml>", "<mj-txt> is not allowed here", (3, 3)),
        ("<mjml><mj-body>\n<mj-include path='/etc/passwd' /></mj-body></mjml>", "<mj-include> is not allowed", (2, 1)),
        ("<mjml><mj-body><mj-raw><script>1</script></mj-raw></mj-body></mjml>", "<script> is not allowed", (1, 24)),
        ("<mjml><mj-body><mj-section></mj-body></mjml>", "unexpected", (0, 0)),
        ("<div>\n</div>", "unexpected token", (0, 0)),
        ("<mjml><mj-body>\n{{ x</mj-body></mjml>", "{{ is not closed", (2, 1)),
    ],
)
def test_a_wrong_layout_is_refused(source, problem, place):
    with pytest.raises(TemplateError) as caught:
        compile_one(mail(), {"cart.mjml": source, "cart.txt": "x"})

    assert caught.value.part == "cart.mjml"
    assert caught.value.args[0].startswith(problem)
    assert (caught.value.line, caught.value.column) == place


# -- rendering --------------------------------------------------------------------------------------------------------


def test_an_authors_text_is_escaped_once_in_html_and_never_in_text():
    compiled = compile_one(mail(subject="{{ name }} & you", body=["Tom & <Jerry> & {{ name }}"]))

    rendered = content.render_email(compiled, language="fr", context={"name": '"Ana" <b>'})

    assert rendered.subject == '"Ana" <b> & you'
    assert "<p>Tom &amp; &lt;Jerry&gt; &amp; &#34;Ana&#34; &lt;b&gt;</p>" in rendered.html
    assert rendered.text == 'Tom & <Jerry> & "Ana" <b>\nSe désabonner\n'


def test_a_paragraph_whose_condition_fails_is_left_out():
    compiled = compile_one(mail(subject="S", body=["{% if phone %}Call {{ phone }}{% endif %}", "Bye"]))

    rendered = content.render_email(compiled, language="fr", context={"phone": None})

    assert rendered.text == "Bye\nSe désabonner\n"
    assert rendered.html.count("<p>") == 1


@pytest.mark.parametrize(
    ("parts", "part"),
    [
        ({"subject": "{{ name }}"}, "reminder/fr/subject"),
        ({"subject": "{% if name %}x{% endif %}"}, "reminder/fr/subject"),
        ({"subject": "S", "body": ["{% if name %}x{% endif %}"]}, "reminder/fr/body"),
        ({"subject": "S", "body": ["ok", "Hi {{ name }},"]}, "reminder/fr/body/2"),
    ],
)
def test_no_half_mail_is_made(parts, part):
    compiled = compile_one(mail(**parts))

    with pytest.raises(TemplateError) as caught:
        content.render_email(compiled, language="fr", context={"name": None}, part="reminder")

    assert caught.value.part == part


def test_a_subject_cannot_carry_a_header():
    compiled = compile_one(mail(subject="Hi {{ name }}"))

    rendered = content.render_email(compiled, language="fr", context={"name": "x\r\nBcc: all@example.com"})

    assert rendered.subject == "Hi x Bcc: all@example.com"


def test_only_plain_data_is_rendered():
    compiled = compile_one(mail(subject="S"))

    with pytest.raises(TypeError, match="plain data"):
        content.render_email(compiled, language="fr", context={"name": object()})


def test_slips_of_the_pen_are_found_in_every_language():
    compiled = content.compile_messages(
        {"a": {"channel": "sms", "en": {"text": "{{ shop.name }} {{ cart.titel }}"}}}, {}
    )

    found = content.unknown_variables(compiled, sample())

    assert [(slip.message, slip.language, slip.part, slip.variable.path) for slip in found] == [
        ("a", "en", "text", "cart.titel")
    ]


# -- what is shipped --------------------------------------------------------------------------------------------------


def test_both_flows_are_shipped_and_valid():
    steps = {name: [step["key"] for step in data["steps"]] for name, data in FLOWS.items()}

    for data in FLOWS.values():
        definition = {key: value for key, value in data.items() if key != "messages"}
        assert {step.message for step in flows.parse(definition).steps} == set(data["messages"])
    assert steps == {
        "abandoned_checkout": ["sms", "reminder", "question", "shipping", "coupon"],
        "abandoned_cart": ["sms", "reminder", "question", "coupon"],
    }


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("abandoned_checkout", {"sms": 1.75, "reminder": 4, "question": 24, "shipping": 48, "coupon": 72}),
        ("abandoned_cart", {"sms": 1.75, "reminder": 4, "question": 24, "coupon": 72}),
    ],
)
def test_the_steps_keep_the_products_times(name, hours):
    definition = flows.parse({key: value for key, value in FLOWS[name].items() if key != "messages"})

    text, coupon = definition.step("sms"), definition.step("coupon")

    assert {step.key: step.after.total_seconds() / 3600 for step in definition.steps} == hours
    assert (text.deadline.total_seconds() / 3600, text.may_move) == (2, False)
    assert {step.key for step in definition.steps if step.requires} == {"shipping"} & set(hours)
    assert coupon.is_enabled is False


def test_every_shipped_message_is_written_in_three_languages():
    assert sorted(set(WRITTEN)) == sorted(
        (flow, key, language) for flow, data in FLOWS.items() for key in data["messages"] for language in LANGUAGES
    )


def test_no_shipped_message_reads_what_nobody_fills_in(compiled):
    assert [slip for one in compiled.values() for slip in content.unknown_variables(one, sample())] == []


@pytest.mark.parametrize(("flow", "key", "language"), TEXTS)
@pytest.mark.parametrize("stop", ["", "STOP au 36111", "Reply STOP to opt out"])
def test_a_shipped_text_is_one_plain_segment(compiled, flow, key, language, stop):
    written = content.render_sms(compiled[flow][key], language=language, context=sample(language, stop=stop))

    measured = sms.measure(written)

    assert (measured.encoding, measured.segments) == (sms.Encoding.GSM7, 1)
    assert written.startswith("Maison Lune!")
    assert "https://go.shop.example/Ab3dE9xZ" in written
    assert written.endswith(stop)
    assert written == written.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_for_stopping_a_text_are_plain_letters_with_stop_in_them(language):
    reply = WORDS[language]["stop_reply"]

    assert "STOP" in reply
    assert sms.measure(reply).encoding is sms.Encoding.GSM7
    assert len(reply) <= len("Reply STOP to opt out")
    assert sms.measure(WORDS[language]["stop_link"]).encoding is sms.Encoding.GSM7


def test_every_language_has_the_same_words():
    assert {language: sorted(words) for language, words in WORDS.items()} == dict.fromkeys(
        LANGUAGES, sorted(WORDS["en"])
    )


class Page(HTMLParser):
    """What a reader, a screen reader and a spam filter look at."""

    def __init__(self, source):
        super().__init__()
        self.links, self.images, self.tags, self.attributes = [], [], [], {}
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes.setdefault(tag, given)
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.images.append((given["src"], given.get("alt")))


@pytest.mark.parametrize(("flow", "key", "language"), MAILS)
def test_a_shipped_mail_is_whole(compiled, flow, key, language):
    rendered = content.render_email(compiled[flow][key], language=language, context=sample(language), part=key)

    page = Page(rendered.html)

    assert page.attributes["html"]["lang"] == language
    assert page.attributes["html"]["dir"] == "ltr"
    assert set(page.links) == {
        "https://go.shop.example/Ab3dE9xZ",
        "mailto:help@shop.example",
        "https://shop.example/retarget/unsubscribe/token/",
    }
    assert all(alt for _source, alt in page.images)
    assert page.tags.count("h1") == 1
    assert "None" not in rendered.html + rendered.text + rendered.subject
    assert "12 rue des Lilas, 35000 Rennes" in rendered.html
    assert 'content="light dark"' in rendered.html
    assert "prefers-color-scheme: dark" in rendered.html
    assert len(rendered.html) < 25_000
    assert len(rendered.subject) <= 60
    for line in ("12 rue des Lilas, 35000 Rennes", "https://go.shop.example/Ab3dE9xZ", "/unsubscribe/token/"):
        assert line in rendered.text


@pytest.mark.parametrize(("flow", "key", "language"), MAILS)
def test_a_shipped_mail_loads_nothing_but_the_products_pictures(compiled, flow, key, language):
    rendered = content.render_email(compiled[flow][key], language=language, context=sample(language), part=key)

    loaded = [source for source, _alt in Page(rendered.html).images]

    assert loaded == ([] if key == "question" else ["https://shop.example/media/shirt.jpg"])
    assert "<link" not in rendered.html
    assert "@import" not in rendered.html
    assert "url(" not in rendered.html


@pytest.mark.parametrize("key", ["reminder", "question"])
def test_a_layout_compiles_to_the_html_that_was_looked_at(compiled, key):
    """A compiler's patch release has changed its output before: look at the mail again, then write the file anew."""
    golden = Path(__file__).parent / "golden" / f"{key}.html"

    rendered = content.render_email(compiled["abandoned_checkout"][key], language="fr", context=sample("fr"), part=key)

    assert rendered.html == golden.read_text("utf-8")


@pytest.mark.parametrize("key", ["reminder", "shipping", "coupon"])
def test_a_cart_is_a_table_with_headers_and_totals(compiled, key):
    rendered = content.render_email(compiled["abandoned_checkout"][key], language="en", context=sample(), part=key)

    words = re.sub(
        r"\s+", " ", html.unescape(re.sub(r"<style.*?</style>|<!--.*?-->|<[^>]+>", " ", rendered.html, flags=re.S))
    )

    assert rendered.html.count('<th scope="col"') == 2
    assert "Linen shirt with a mandarin collar, size M Quantity: 2 €108.00" in words
    assert "Tom & Jerry <mug> Quantity: 1 €1,228.00" in words
    assert "Total €1,336.00" in words
    assert (
        "- 2 × Linen shirt with a mandarin collar, size M - €108.00\n- 1 × Tom & Jerry <mug> - €1,228.00\n"
        in rendered.text
    )


@pytest.mark.parametrize(("name", "greeting"), [("Ana", "Hello Ana,"), (None, "Hello,")])
def test_a_mail_greets_with_a_name_or_without_one(compiled, name, greeting):
    context = sample(contact={"first_name": name, "last_name": None})

    rendered = content.render_email(compiled["abandoned_cart"]["reminder"], language="en", context=context)

    assert greeting in rendered.text.splitlines()
    assert f"<p>{greeting}</p>" in rendered.html


@pytest.mark.parametrize(("more", "line"), [(0, None), (1, "and 1 more item"), (3, "and 3 more items")])
def test_lines_that_are_not_shown_are_counted(compiled, more, line):
    context = sample()
    context["cart"]["more"] = more

    rendered = content.render_email(compiled["abandoned_cart"]["reminder"], language="en", context=context)

    assert ("more item" in rendered.text) is (line is not None)
    assert line is None or (line in rendered.text and line in rendered.html)


@pytest.mark.parametrize(
    ("amount", "says", "says_not"),
    [
        (0, "Delivery is free.", "from"),
        (60, "Delivery is free from €60.00. Your cart is above that", "Delivery is free.\n"),
        (5000, "Delivery is free from €5,000.00.\n", "above that"),
    ],
)
def test_shipping_is_told_as_the_shop_states_it(compiled, amount, says, says_not):
    context = sample()
    context["shop"]["free_shipping_from"] = contexts.money(Decimal(amount), "EUR", "en")

    body = content.render_email(compiled["abandoned_checkout"]["shipping"], language="en", context=context).text
    body = body.partition("- 2 ×")[0]

    assert says in body
    assert says_not not in body


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (0, "Your parcel reaches you the day you order."),
        (1, "Your parcel reaches you 1 day after your order."),
        (3, "Your parcel reaches you 3 days after your order."),
    ],
)
def test_days_to_delivery_are_told_as_people_say_them(compiled, days, says):
    context = sample()
    context["shop"]["delivery_days"] = days

    rendered = content.render_email(compiled["abandoned_checkout"]["shipping"], language="en", context=context)

    assert says in rendered.text.splitlines()


def test_a_coupon_mail_without_a_coupon_does_not_leave(compiled):
    with pytest.raises(TemplateError, match=r"coupon\.text is missing here"):
        content.render_email(compiled["abandoned_cart"]["coupon"], language="en", context=sample(coupon=None))


FRENCH = [
    text
    for data in FLOWS.values()
    for key, message in data["messages"].items()
    if key != "sms"
    for part in message["fr"].values()
    for text in ([part] if isinstance(part, str) else part)
] + [word for name, word in WORDS["fr"].items() if not name.startswith("stop")]


@pytest.mark.parametrize("text", FRENCH, ids=lambda text: text[:30])
def test_french_mails_keep_french_spaces_and_apostrophes(text):
    prose = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text)

    assert re.findall(r"(?<!\u202f)[?!;]", prose) == []
    assert re.findall(r"(?<!\u00a0):", prose) == []
    assert "'" not in prose


@pytest.mark.parametrize(
    "word", ["hurry", "last chance", "only today", "vite", "dernière chance", "última", "rápido", "!"]
)
def test_no_shipped_message_presses(word):
    texts = json.dumps([data["messages"] for data in FLOWS.values()], ensure_ascii=False).lower()

    assert word not in texts
