"""What the shipped messages say in three languages, and what each layout makes of them."""

import html
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from retarget_plugin.domain import content, contexts, flows, proofs, samples, sms
from retarget_plugin.domain.vocabulary import Channel
from retarget_plugin.domain.words import WHY, WORDS
from retarget_plugin.engine import layouts
from retarget_plugin.engine.flows import SHIPPED
from retarget_plugin.exceptions import TemplateError

FOLDER = Path(flows.__file__).parents[1] / "templates" / "retarget_plugin" / "flows"
GOLDEN = Path(__file__).parent / "golden"
FLOWS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
DEFINITIONS = {
    name: flows.parse({key: value for key, value in data.items() if key != "messages"}) for name, data in FLOWS.items()
}
LANGUAGES = ("en", "fr", "es")
WRITTEN = [
    (flow, key, language)
    for flow, data in FLOWS.items()
    for key, message in data["messages"].items()
    for language in message.keys() - {"channel", "layout"}
]


def on(channel):
    return [
        (flow, key, language) for flow, key, language in WRITTEN if FLOWS[flow]["messages"][key]["channel"] == channel
    ]


MAILS, TEXTS = on(Channel.EMAIL), on(Channel.SMS)
#: A value that was not there; "None of them" is English.
HOLE = re.compile(r"\bNone\b(?! of)")
SMALL_TEXT = {
    "subject": "Un mot de {{ shop.name }}",
    "preheader": "Ce qui se voit avant d’ouvrir.",
    "heading": "Un titre",
    "body": ["Bonjour {{ contact.first_name }},", "Un paragraphe."],
    "button": "Continuer",
}


def compile_shipped():
    """{flow: {message key: compiled message}}"""
    return {
        name: content.compile_messages(data["messages"], layouts.shipped(), trigger=DEFINITIONS[name].trigger)
        for name, data in FLOWS.items()
    }


@pytest.fixture(scope="module")
def compiled():
    return compile_shipped()


def sample(flow, key, compiled, language="en", **changes):
    """What a made-up shop, with a name of 12 characters, tells `key` of `flow`."""
    steps = [step for step in DEFINITIONS[flow].sends if step.message == key]
    names = content.speaks_of(compiled[flow][key], [fact for step in steps for fact in step.requires])
    context = samples.context(DEFINITIONS[flow], key, language=language, names=names)
    return {**context, "shop": {**context["shop"], "name": "Maison Lunes"}, **changes}


def shown(compiled, flow, key, language="en", **changes):
    """The mail `key` of `flow` to a made-up reader."""
    context = sample(flow, key, compiled, language, **changes)
    return content.render_email(compiled[flow][key], language=language, context=context, part=key)


# -- all of them ------------------------------------------------------------------------------------------------------


def test_every_shipped_flow_is_installed_and_sends_all_it_has_written():
    assert set(FLOWS) == set(SHIPPED)
    for name, definition in DEFINITIONS.items():
        assert {step.message for step in definition.sends} == set(FLOWS[name]["messages"]), name


def test_every_shipped_message_is_written_in_three_languages():
    assert sorted(set(WRITTEN)) == sorted(
        (flow, key, language) for flow, data in FLOWS.items() for key in data["messages"] for language in LANGUAGES
    )


@pytest.mark.parametrize("flow", FLOWS)
def test_there_is_nothing_to_mend_in_a_shipped_flow(compiled, flow):
    told = [*proofs.errors(DEFINITIONS[flow], compiled[flow]), *proofs.advice(DEFINITIONS[flow], compiled[flow])]

    assert [str(finding) for finding in told] == []


@pytest.mark.parametrize(("flow", "key", "language"), TEXTS)
@pytest.mark.parametrize("stop", ["", "STOP au 36111", "Reply STOP to opt out"])
def test_a_shipped_text_is_one_plain_segment(compiled, flow, key, language, stop):
    context = sample(flow, key, compiled, language, stop=stop)

    written = sms.transliterate(content.render_sms(compiled[flow][key], language=language, context=context))

    measured = sms.measure(written)
    assert (measured.encoding, measured.segments) == (sms.Encoding.GSM7, 1)
    assert written.startswith("Maison Lunes")
    assert samples.SHORT_URL in written
    assert written.endswith(stop)
    assert written == written.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_for_stopping_a_text_are_plain_letters_with_stop_in_them(language):
    reply = WORDS[language]["stop_reply"]

    assert "STOP" in reply
    assert sms.measure(reply).encoding is sms.Encoding.GSM7
    assert len(reply) <= len("Reply STOP to opt out")
    assert sms.measure(WORDS[language]["stop_link"]).encoding is sms.Encoding.GSM7


@pytest.mark.parametrize("table", [WORDS, WHY])
def test_every_language_has_the_same_words(table):
    assert {language: sorted(words) for language, words in table.items()} == dict.fromkeys(
        LANGUAGES, sorted(table["en"])
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
    rendered = shown(compiled, flow, key, language)

    page = Page(rendered.html)

    assert page.attributes["html"]["lang"] == language
    assert page.attributes["html"]["dir"] == "ltr"
    unsubscribe = [] if samples.is_service(DEFINITIONS[flow], key) else [f"{samples.URL}/retarget/unsubscribe/token/"]
    assert set(page.links) == {samples.SHORT_URL, "mailto:help@shop.example", *unsubscribe}
    assert all(alt for _source, alt in page.images)
    assert page.tags.count("h1") == 1
    assert not HOLE.search(rendered.html + rendered.text + rendered.subject)
    assert "12 rue des Lilas, 35000 Rennes" in rendered.html
    assert 'content="light dark"' in rendered.html
    assert "prefers-color-scheme: dark" in rendered.html
    assert len(rendered.html) < 32_000
    for line in ("12 rue des Lilas, 35000 Rennes", samples.SHORT_URL, *unsubscribe):
        assert line in rendered.text


@pytest.mark.parametrize(("flow", "key", "language"), MAILS)
def test_a_shipped_mail_loads_nothing_from_elsewhere(compiled, flow, key, language):
    rendered = shown(compiled, flow, key, language)

    assert Page(rendered.html).images == []
    assert "<link" not in rendered.html
    assert "@import" not in rendered.html
    assert "url(" not in rendered.html


@pytest.mark.parametrize(("flow", "key", "language"), MAILS)
def test_a_shipped_mail_greets_also_who_has_no_name(compiled, flow, key, language):
    rendered = shown(compiled, flow, key, language, contact={"first_name": None, "last_name": None})

    assert not re.search(r"(Hello|Hi|Bonjour|Hola)\s+,|  |\s,$", rendered.text.replace("\n  ", "\n"), re.MULTILINE)
    assert not HOLE.search(rendered.html)


@pytest.mark.parametrize(
    ("language", "applied", "entered"),
    [
        ("en", "The button applies it for you.", "Enter it at the checkout."),
        ("fr", "Le bouton l’applique pour vous.", "Il se saisit au moment de payer."),
        ("es", "El botón lo aplica por ti.", "Escríbelo al pagar."),
    ],
)
@pytest.mark.parametrize("flow", ["content_upgrade", "cross_sell", "not_seen", "win_back"])
def test_a_mail_says_who_applies_its_code(compiled, flow, language, applied, entered):
    coupon = sample(flow, "offer", compiled, language)["coupon"]
    texts = [
        shown(compiled, flow, "offer", language, coupon={**coupon, "is_applied": is_applied}).text.replace("\n", " ")
        for is_applied in (True, False)
    ]

    assert [(applied in text, entered in text) for text in texts] == [(True, False), (False, True)]


# -- layouts ----------------------------------------------------------------------------------------------------------


def laid(layout, language="fr", **changes):
    """A small message in `layout`, with pictures, about a cheaper product and with a coupon."""
    message = {"channel": "email", "layout": layout, language: SMALL_TEXT}
    one = content.compile_messages({"small": message}, layouts.shipped())["small"]
    context = {**samples.context(DEFINITIONS["price_drop"], "small", language=language), **changes}
    offered = contexts.coupon_context("MERCI", percent=Decimal(5), expires_at=samples.NOON, locale=language)
    cart = samples.context(DEFINITIONS["abandoned_cart"], "small", language=language)["cart"]
    return content.render_email(one, language=language, context={"coupon": offered, "cart": cart, **context})


@pytest.mark.parametrize("layout", ["cart", "letter", "product", "picks"])
def test_a_layout_compiles_to_the_html_that_was_looked_at(layout):
    """A compiler's patch release has changed its output before: look at the mail again, then write the file anew."""
    rendered = laid(layout, question=None)

    assert rendered.html == (GOLDEN / f"{layout}.html").read_text("utf-8")


@pytest.mark.parametrize("layout", ["cart", "letter", "product", "picks"])
def test_a_layout_is_written_from_right_to_left(layout):
    rendered = laid(layout, question=None, direction="rtl", start="right", end="left", language="ar")

    assert 'dir="rtl"' in rendered.html
    assert "text-align:left" not in rendered.html.partition("<h1>")[2].partition("</h1>")[0]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_grid_shows_what_there_is(count):
    product = {"title": "Loupe", "url": "https://go.shop.example/x", "image_url": None, "price": {"text": "9 €"}}

    rendered = laid("product", recommendations=[product] * count)

    assert rendered.html.count('<td class="cell"') == (3 if count else 0)
    assert rendered.html.count("Loupe") == count
    assert ("Vous aimerez peut-être aussi" in rendered.html) is (count > 0)
    assert rendered.text.count("- Loupe - 9 €\n  https://go.shop.example/x\n") == count


def test_a_list_that_is_empty_has_no_heading():
    rendered = laid("picks", recommendations=[], posts=[])

    assert "Les nouveautés" in rendered.html
    assert "Choisi pour vous" not in rendered.html + rendered.text
    assert "À lire chez nous" not in rendered.html + rendered.text


def test_a_price_that_fell_is_told_beside_the_old_one():
    rendered = laid("product")

    assert "<strong>39,90\u00a0€</strong>" in rendered.html
    assert "avant\u00a0: <s>47,90\u00a0€</s>" in rendered.html
    assert "Écharpe en laine grise - 39,90\u00a0€ (avant\u00a0: 47,90\u00a0€)" in rendered.text


def test_a_question_has_a_link_for_each_answer_and_no_button():
    choices = [{"label": "Vélo", "url": "https://shop.example/a"}, {"label": "Course", "url": "https://shop.example/b"}]

    rendered = laid("letter", question={"text": "Quel sport ?", "choices": choices})

    assert [link for link in Page(rendered.html).links if link.startswith("https://shop.example/")] == [
        "https://shop.example/a",
        "https://shop.example/b",
        "https://shop.example/retarget/unsubscribe/token/",
    ]
    assert "Continuer" not in rendered.html + rendered.text
    assert "- Vélo\u00a0: https://shop.example/a\n" in rendered.text


def test_a_picture_is_named_after_what_it_shows():
    product = {
        "title": "Loupe",
        "url": None,
        "image_url": "https://shop.example/l.jpg",
        "price": None,
        "old_price": None,
    }

    rendered = laid("product", product=product, recommendations=[product])

    assert Page(rendered.html).images == [("https://shop.example/l.jpg", "Loupe")] * 2


# -- carts and coupons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["reminder", "shipping", "coupon"])
def test_a_cart_is_a_table_with_headers_and_totals(compiled, key):
    rendered = shown(compiled, "abandoned_checkout", key)

    words = re.sub(
        r"\s+", " ", html.unescape(re.sub(r"<style.*?</style>|<!--.*?-->|<[^>]+>", " ", rendered.html, flags=re.S))
    )

    assert rendered.html.count('<th scope="col"') == 2
    assert "Grey wool scarf Quantity: 1 €39.90" in words
    assert "Linen shirt, size M Quantity: 2 €108.00" in words
    assert "Total €147.90" in words
    assert "- 1 × Grey wool scarf - €39.90\n- 2 × Linen shirt, size M - €108.00\nTotal: €147.90\n" in rendered.text


@pytest.mark.parametrize(("name", "greeting"), [("Ana", "Hello Ana,"), (None, "Hello,")])
def test_a_mail_greets_with_a_name_or_without_one(compiled, name, greeting):
    rendered = shown(compiled, "abandoned_cart", "reminder", contact={"first_name": name, "last_name": None})

    assert greeting in rendered.text.splitlines()
    assert f"<p>{greeting}</p>" in rendered.html


@pytest.mark.parametrize(("more", "line"), [(0, None), (1, "and 1 more item"), (3, "and 3 more items")])
def test_lines_that_are_not_shown_are_counted(compiled, more, line):
    cart = sample("abandoned_cart", "reminder", compiled)["cart"]

    rendered = shown(compiled, "abandoned_cart", "reminder", cart={**cart, "more": more})

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
    shop = {**samples.shop("en"), "free_shipping_from": contexts.money(Decimal(amount), "EUR", "en")}

    body = shown(compiled, "abandoned_checkout", "shipping", shop=shop).text.partition("- 1 ×")[0]

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
    rendered = shown(compiled, "abandoned_checkout", "shipping", shop={**samples.shop("en"), "delivery_days": days})

    assert says in rendered.text.splitlines()


def test_a_coupon_mail_without_a_coupon_does_not_leave(compiled):
    with pytest.raises(TemplateError, match=r"coupon\.text is missing here"):
        shown(compiled, "abandoned_cart", "coupon", coupon=None)


FRENCH = [
    text
    for data in FLOWS.values()
    for message in data["messages"].values()
    if message["channel"] == "email"
    for part in message["fr"].values()
    for text in ([part] if isinstance(part, str) else part)
] + [word for name, word in {**WORDS["fr"], **WHY["fr"]}.items() if not name.startswith("stop")]


@pytest.mark.parametrize("text", FRENCH, ids=lambda text: text[:30])
def test_french_mails_keep_french_spaces_and_apostrophes(text):
    prose = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text)

    assert re.findall(r"(?<!\u202f)[?!;]", prose) == []
    assert re.findall(r"(?<!\u00a0):", prose) == []
    assert "'" not in prose


@pytest.mark.parametrize(
    "word",
    ["hurry up", "last chance", "only today", "faites vite", "dernière chance", "última oportunidad", "rápido", "!"],
)
def test_no_shipped_message_presses(word):
    texts = json.dumps([data["messages"] for data in FLOWS.values()], ensure_ascii=False).lower()

    assert word not in texts
