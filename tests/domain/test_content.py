"""Authored messages compiled once, and filled for each reader."""

import json

import pytest

from retarget_plugin.domain import content
from retarget_plugin.domain.vocabulary import Trigger
from retarget_plugin.exceptions import TemplateError

SMALL = {
    "cart.mjml": "<mjml><mj-body><mj-section><mj-column><mj-text>{{ message.heading }}"
    "{% for p in message.body %}<p>{{ p }}</p>{% endfor %}</mj-text></mj-column></mj-section></mj-body></mjml>",
    "cart.txt": "{% for p in message.body %}{{ p }}\n{% endfor %}{{ words.unsubscribe }}",
}
EMAIL = {"subject": "Hi {{ name }}", "heading": "Hello", "body": ["One", "Two"]}


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

    assert set(compiled) == {"channel", "languages", "reads", "needs"}
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

    found = content.unknown_variables(compiled, {"shop": {"name": "Lune"}, "cart": {"title": "Lens"}})

    assert [(slip.message, slip.language, slip.part, slip.variable.path) for slip in found] == [
        ("a", "en", "text", "cart.titel")
    ]


# -- what a message speaks of -----------------------------------------------------------------------------------------


def test_a_compiled_message_knows_what_it_reads_and_what_it_cannot_do_without():
    body = ["{{ product.title }}", "{% if store %}{{ store.name }}{% endif %}", "{{ stop | default: '' }}"]

    compiled = compile_one(mail(subject="{{ shop.name }}", body=body))

    assert compiled["reads"] == ["product", "shop", "stop", "store"]
    assert compiled["needs"] == ["product", "shop"]


@pytest.mark.parametrize(
    ("layout", "body", "requires", "spoken_of"),
    [
        ("cart", "Hello", [], {"cart"}),
        ("letter", "Hello", [], set()),
        ("product", "Hello", [], {"product", "recommendations"}),
        ("picks", "Hello", [], {"recommendations", "new_products", "posts"}),
        ("picks", "{{ posts[0].title }}", [], {"posts"}),
        ("picks", "Hello", ["new_products"], {"new_products"}),
        ("picks", "{{ coupon.code }}", ["recommendations"], {"coupon", "recommendations"}),
    ],
)
def test_a_message_speaks_of_what_its_words_its_step_and_its_layout_name(layout, body, requires, spoken_of):
    frames = {f"{layout}.mjml": SMALL["cart.mjml"], f"{layout}.txt": SMALL["cart.txt"]}

    compiled = compile_one({**mail(subject="S", body=body), "layout": layout}, frames)

    assert content.speaks_of(compiled, requires) == spoken_of


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        (Trigger.CART_ABANDONED, "Vous recevez cet e-mail parce que vous avez laissé un panier chez %s."),
        (Trigger.PRICE_DROP, "Vous recevez cet e-mail parce que vous avez regardé des articles chez %s."),
        (Trigger.ORDER_UNPAID, "Vous recevez cet e-mail parce que vous avez commandé chez %s."),
        (None, "Vous recevez cet e-mail parce que vous avez accepté de recevoir des nouvelles de %s."),
    ],
)
def test_a_mail_says_why_it_is_sent(trigger, why):
    compiled = content.compile_messages({"reminder": mail()}, SMALL, trigger=trigger)["reminder"]

    assert compiled["languages"]["fr"]["words"]["why"] == why


# -- layouts of several parts -----------------------------------------------------------------------------------------


def test_a_layout_takes_in_what_it_has_in_common_with_others():
    parts = {"parts/hello.txt": "Hello {{ name }}", "parts/hello.mjml": "<mj-text>Hello {{ name }}</mj-text>"}
    frames = {
        "cart.mjml": SMALL["cart.mjml"].replace("<mj-text>", '<mj-include path="hello.mjml" />\n<mj-text>'),
        "cart.txt": '<mj-include path="hello.txt" />\n, bye',
    }

    rendered = content.render_email(
        compile_one(mail(subject="S"), {**frames, **parts}), language="fr", context={"name": "Ana"}
    )

    assert rendered.text == "Hello Ana, bye\n"
    assert rendered.html.count("Hello Ana") == 1


def test_a_part_that_is_missing_is_named():
    with pytest.raises(TemplateError, match=r"there is no parts/nope\.txt"):
        compile_one(mail(), {**SMALL, "cart.txt": '<mj-include path="nope.txt" />'})
