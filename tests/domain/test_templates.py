"""Staff's Liquid: what it may do, what it may cost, and that it never mails a hole."""

import gc
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from retarget_plugin.domain import templates
from retarget_plugin.domain.templates import UnknownVariable, check_context, one_line, render, unknown_variables
from retarget_plugin.exceptions import TemplateError

CONTEXT = {"s": "x" * 50, "r": "y" * 90_000, "n": None, "d": {"a": None}, "lines": [{"t": "x"}, {"t": None}], "one": 1}

# The attacks of the survey, in its order; then what was found while writing the guard.
ATTACKS = [
    '{{ (1..100000000) | join: "," }}',
    "{% for i in (1..1000000000) %}x{% endfor %}",
    '{% assign a="xxxxxxxxxx" %}' + "{% assign a = a | append: a %}" * 40,
    '{{ "aaaaaaaaaa"' + ' | replace: "a", "aaaaaaaaaa"' * 9 + " | size }}",
    '{% include "a" %}',
    "{{ s | safe }}",
    "{{ (1..100000000) | sum }}",
    "{{ (1..100000000) | reverse | first }}",
    "{{ (1..100000000) | sort | first }}",
    "{{ (1..100000000) | size }}",
    '{{ (1..100000000) | map: "x" | size }}',
    "{% assign q = (1..100000000) %}{{ q | uniq | size }}",
    "{{ (1..100000000) | concat: (1..9) | size }}",
    '{{ "a" | concat: (1..100000000) }}',
    '{% capture a %}{{ (1..100000000) }}{% endcapture %}{{ a | split: "" | size }}',
    "{% cycle (1..100000000) %}",
    "{{ 9 | times: 9000000000000000 | times: 9 }}",
    '{{ "now" | date: "%999999999d" }}',
    "{{ r | append: r }}",
    "{% for i in (1..900) %}{{ r | date: '%Y' }}{% endfor %}",
    "{% assign a = 99999 %}{% for i in (1..100) %}{% assign a = a | times: a %}{% endfor %}",
    "{% for i in (1..1000) %}" + "{%if a%}{%endif%}" * 5000 + "{% endfor %}",
    "{%for i in (1..1000)%}{%if a%}{%endif%}{%endfor%}" * 1900,
    "{% for i in (1..900) %}{{ r" + " | upcase" * 50 + " | size }}{% endfor %}",
    "{% for a in (1..31) %}{% for b in (1..40) %}x{% endfor %}{% endfor %}",
    "{% if a" + " or a" * 18_000 + " %}{% endif %}",
    "{% if a %}" * 5000,
    "{{ a" + "[a" * 3000 + "]" * 3000 + " }}",
    "{" * 99_999,
    "{{" * 49_999,
    "{%" * 49_999,
    "{% raw %}" * 9_999,
    "{% comment %}" * 5_000,
    "{{" + " " * 1_400 + "}}",
    '{{ "' + "a" * 99_000,
    "{{ 1" + "0" * 1_400 + " | plus: 1 }}",
    "{{ s | split: '' | join: r }}",
    "x" * 100_001,
    "{{ r }}{{ r }}{{ r }}",
]
# Harmless although they look it: they end at once, with little to show.
TAMED = [
    ("{% if (1..100000000) contains 5 %}y{% endif %}", "y"),
    ("{% case (1..100000000) %}{% when 1 %}x{% endcase %}", ""),
    ("{{ s | truncate: 999999999999 }}", "x" * 50),
    ("{{ s | slice: 0, 99999999999 | size }}", "50"),
    ('{{ a | upcase | default: "ok" }}', "ok"),
]


@pytest.mark.parametrize("source", ATTACKS, ids=lambda source: source[:40])
@pytest.mark.parametrize("is_html", [True, False])
def test_an_attack_is_refused_within_two_seconds(source, is_html):
    gc.collect()
    started = time.process_time()

    with pytest.raises(TemplateError):
        render(source, CONTEXT, is_html=is_html)

    assert time.process_time() - started < 2


@pytest.mark.parametrize(("source", "result"), TAMED)
def test_a_large_number_alone_does_no_harm(source, result):
    assert render(source, CONTEXT) == result


PIECES = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{", "}", "[", "]", " ", "-", "|", "'", '"', "\n", "s", "r", "raw", "comment"),
        *("for i in (1..999)", "endfor", "if s", "endif", "assign s = r", "split: ''", "join: r", "append: r"),
        *("times: 9", "replace: 'x', r", "{{ s | append: r }}", "{% if s %}", "{% endif %}"),
    ]
)


@settings(max_examples=500, deadline=2000)
@given(st.lists(PIECES, max_size=60).map("".join), st.booleans())
def test_any_text_is_rendered_or_refused_in_bounds(source, is_html):
    try:
        result = render(source, CONTEXT, is_html=is_html)
    except TemplateError:
        return

    assert len(result) <= templates.OUTPUT_LIMIT
    assert "{{" not in result
    assert "{%" not in result


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("{{ a", "{{ is not closed", 1, 1),
        ("ok\n  {% if x %}{{ y", "{{ is not closed", 2, 13),
        ("ok\n{% nope %}", "unexpected tag 'nope'", 2, 4),
        ("ok\n {{ a | nope }}", "unknown filter 'nope'", 2, 9),
        ("{{ 1 | divided_by: 0 }}", "divided_by: can't divide by 0", 1, 8),
        ("\n\n{{ contact.first_name }}", "contact.first_name is missing here", 3, 1),
        ("{% if x %}", "expected tag endif, found end of expression", 0, 0),
    ],
)
def test_an_error_names_its_place(source, message, line, column):
    with pytest.raises(TemplateError) as caught:
        render(source, {}, part="reminder/fr/subject")

    assert caught.value.args[0].startswith(message)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.part == "reminder/fr/subject"


@pytest.mark.parametrize("value", [None, "", []])
def test_a_hole_is_never_mailed(value):
    with pytest.raises(TemplateError, match="name is missing here"):
        render("Hi {{ name }},", {"name": value})


@pytest.mark.parametrize(
    "source", ["Hi {{ name | append: '!' }}", "Hi {{ '' | append: name }},", "{{ 1 | plus: name }}"]
)
@pytest.mark.parametrize("context", [{"name": None}, {}])
def test_no_text_is_built_round_a_hole(source, context):
    with pytest.raises(TemplateError, match="is missing here"):
        render(source, context)


def test_an_unknown_name_is_a_hole_too():
    with pytest.raises(TemplateError, match=r"nobody\.name is missing here"):
        render("Hi {{ nobody.name }},", {})


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("Hi {{ name | default: 'there' }},", "Hi there,"),
        ("Hi{% if name %} {{ name }}{% endif %},", "Hi,"),
        ("Hi {{ name | default: '' }},", "Hi ,"),
        ("Hi {{ name | upcase | default: 'you' }},", "Hi you,"),
        ("{{ name | size }}", "0"),
    ],
)
def test_an_author_may_say_what_stands_in_a_hole(source, result):
    assert render(source, {"name": None}) == result


@pytest.mark.parametrize(
    "source",
    [
        "{{ d }}",
        "{{ lines }}",
        "{{ lines | first }}",
        "{{ lines | join: ', ' }}",
        "{{ d | upcase }}",
        "{{ lines | map: 't' | join: ', ' }}",
        "{{ lines | map: 't' }}",
        "{{ s | append: n }}",
        "{{ s | prepend: n }}",
        "{{ s | replace: 'x', n }}",
        "{{ d | first }}",
        "{{ 'x' | append: lines }}",
        "{{ (1..3) }}",
    ],
)
def test_neither_none_nor_a_group_of_values_is_printed(source):
    with pytest.raises(TemplateError):
        render(source, CONTEXT)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ title }}", "&lt;b&gt; Tom &amp; &#34;Jo&#34;"),
        ("{{ title | upcase }}", "&lt;B&gt; TOM &amp; &#34;JO&#34;"),
        ("{{ title | split: ' ' | join: '-' }}", "&lt;b&gt;-Tom-&amp;-&#34;Jo&#34;"),
        ("{{ 'by ' | append: title }}", "by &lt;b&gt; Tom &amp; &#34;Jo&#34;"),
        ("{{ '%' | replace: '%', title }}", "&lt;b&gt; Tom &amp; &#34;Jo&#34;"),
    ],
)
def test_values_are_escaped_in_html(source, result):
    assert render(source, {"title": '<b> Tom & "Jo"'}, is_html=True) == result


def test_no_filter_lets_markup_through():
    value = "<script>alert('&')</script>"
    engine = templates._environment(True)
    sources = [
        f"{{{{ v | {name}{arguments} }}}}" for name in engine.filters for arguments in ("", ": v", ": 'a', v", ": 2")
    ]

    for source in [*sources, "{{ '%3Cscript%3E' | url_decode }}", "{{ v | escape | append: v }}"]:
        try:
            result = render(source, {"v": value}, is_html=True)
        except TemplateError:
            continue
        assert "<script" not in result, source


def test_plain_text_is_left_as_it_is():
    assert render("{{ title }}", {"title": "Tom & Jerry’s <cheese>"}) == "Tom & Jerry’s <cheese>"


@pytest.mark.parametrize("value", ["{{ secret }}", "{% assign a = 1 %}"])
def test_liquid_in_a_value_is_neither_run_nor_mailed(value):
    with pytest.raises(TemplateError, match="the result still holds"):
        render("{{ title }}", {"title": value, "secret": "s3cret"})


class Account:
    password = "secret"

    def delete(self):
        raise AssertionError("called")


@pytest.mark.parametrize(
    "source", ["{{ user.password }}", "{{ user.delete }}", "{{ user }}", "{{ s.upper }}", "{{ d.keys }}"]
)
def test_nothing_but_data_can_be_reached(source):
    with pytest.raises(TemplateError):
        render(source, {**CONTEXT, "user": Account()})


@pytest.mark.parametrize(
    "value",
    [Decimal("9.90"), Account(), ("a", "b"), {1: "a"}, {"a": {"b": [Decimal(1)]}}, Markup("<b>"), b"x", {"a": {1}}],
)
def test_only_plain_data_may_enter_a_context(value):
    with pytest.raises(TypeError):
        check_context({"value": value})


def test_plain_data_may_enter_a_context():
    value = {"a": [1, 2.5, True, None, "x", datetime(2026, 11, 22, tzinfo=UTC), {"b": []}]}

    assert check_context(value) is None


def test_the_place_of_a_wrong_value_is_named():
    with pytest.raises(TypeError, match=r"context\.cart\.lines\[1\]\.price is a Decimal"):
        check_context({"cart": {"lines": [{"price": 1}, {"price": Decimal(1)}]}})


KNOWN = {"shop": {"name": "S"}, "cart": {"lines": [{"title": "T", "price": {"text": "1"}}], "count": 1}, "contact": {}}


def test_unknown_variables_are_found_with_their_place():
    source = "{{ shop.nmae }} {{ shop.name }}\n{{ cart.lines[0].titel }}{% if custmer.vip %}{% endif %}"

    found = unknown_variables(source, KNOWN)

    assert found == [
        UnknownVariable("shop.nmae", 1, 4),
        UnknownVariable("cart.lines.0.titel", 2, 4),
        UnknownVariable("custmer.vip", 2, 32),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "{{ cart.lines.size }} {{ cart.lines.first.title }} {{ cart.lines[0].price.text }}",
        "{% for line in cart.lines %}{{ line.anything }}{% endfor %}",
        "{% assign mine = 3 %}{{ mine }}",
        "{{ cart[shop.name] }}",
    ],
)
def test_known_and_local_variables_are_no_slip(source):
    assert unknown_variables(source, KNOWN) == []


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("Hello {{ contact.first_name }}", {"contact"}),
        ("{{ stop | default: '' }}", set()),
        ("{% if product %}{{ product.title }}{% endif %}", set()),
        ("{% unless coupon %}x{% endunless %}{{ coupon.code }}", set()),
        ("{{ product.title }} {% if product.price %}{{ product.price.text }}{% endif %}", set()),
        ("{% for one in posts %}{{ one.title }}{% endfor %}", {"posts"}),
        ("{%- case topic.slug -%}{%- when 'a' -%}x{%- endcase -%}{{ shop.name | upcase }}", {"shop"}),
        ("{% assign first = posts[0] %}{{ first.title }}", {"posts"}),
    ],
)
def test_what_a_text_cannot_do_without_is_what_it_does_not_ask_for_first(source, needed):
    assert templates.needs(source) == needed


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Your cart", "Your cart"),
        ("Hi\r\nBcc: all@example.com", "Hi Bcc: all@example.com"),
        ("a\x00b\u2028c\td\u202ee", "a b c d e"),
        ("  wide   gaps ", "wide gaps"),
        ("Pourquoi\u202f?", "Pourquoi ?"),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_subject_is_one_clean_line(text, line):
    assert one_line(text) == line


def test_a_parsed_template_is_kept():
    templates._parsed.cache_clear()

    for _round in range(3):
        render("kept {{ a }}", {"a": "b"})

    assert templates._parsed.cache_info().misses == 1
    assert templates._parsed.cache_info().hits == 2
