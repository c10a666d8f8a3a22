"""Messages written to break the worker that renders them: made by hand, and grown from a grammar out of a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.domain.test_templates import ATTACKS

LOOP = "{% for i in (1..1000) %}"
CHAIN = "replace: 'a', 'aaaaaaaaaa' | upcase | split: '' | join: '-' | size"
HEAVY = f"{{% for i in (1..140) %}}{{{{ cart.title | {CHAIN} }}}}{{% endfor %}}"

#: Bodies: the Liquid of one part, or a list of paragraphs each of which alone may be harmless.
HAND_MADE: list[str | list[str]] = [
    *ATTACKS,
    [HEAVY] * 400,
    [HEAVY] * 50,
    [f"{HEAVY * 7}{number}" for number in range(50)],
    [f"{LOOP}{{% if i %}}{{% endif %}}{{% endfor %}} {number}" for number in range(2_000)],
    [f"{LOOP}{'{%if a%}{%endif%}' * 50}{{% endfor %}} {number}" for number in range(50)],
    [f"{LOOP}{'{%if a%}{%endif%}' * 10}{{% endfor %}} {number}" for number in range(50)],
    [f"{LOOP}{'{%if a%}{%endif%}' * 280}{{% endfor %}} {number}" for number in range(8)],
    [f"{{% for i in (1..40) %}}{'{{1|plus:1}}' * 3_500}{{% endfor %}}"],
    [f"{{% for i in (1..700) %}}{'{{a|size}}' * 600}{{% endfor %}}"],
    ["x" * 99_000] * 30,
    [f"{{{{ cart.title }}}} {number}" for number in range(20_000)],
    [f"{'{{cart.url}}' * 160}{number}" for number in range(50)],
    [f"{'{%if a%}{%endif%}' * 55}{number}" for number in range(50)],
    [f"{'{% if cart %}{% endif %}' * 4_000}{number}" for number in range(40)],
    ["{% assign a = 'aaaaaaaaaa' %}" + "{% assign a = a | append: a %}" * 13 + "{{ a | size }}"] * 300,
    [
        f"{{% assign a = 'aaaaaaaaaa' %}}{'{% assign a = a | append: a %}' * 10}{{{{ a }}}}{number}"
        for number in range(50)
    ],
    [
        "{% assign a = 'aaaaaaaaaa' %}"
        + "{% assign a = a | append: a %}" * 10
        + "{% for i in (1..9) %}{{ a }}{% endfor %}"
    ]
    * 50,
    *("{{a|default:1}}" * 3_000 + " " * number for number in range(9)),
    *("{{a|default:1}}" * 60 + " " * number for number in range(20)),
    "{{a}}" * 9_900,
    "€" * 45_000,
    "\U0001f9e8" * 45_000,
    "\u202e\u0301" * 20_000,
    "{{ cart.title }}\n" * 2_900,
    "\n" * 49_000 + "x",
    "<" * 49_000,
    "&" * 49_000,
    "{{ cart.lines | map: 'title' | join: cart.url }}",
    f"{LOOP}{{{{ cart.url }}}}{{% endfor %}}",
    "{% for line in cart.lines %}{% for l in cart.lines %}" * 40 + "x" + "{% endfor %}" * 80,
    "{% case cart.title %}" + "{% when 'a' %}b" * 3_000 + "{% endcase %}",
    "{% capture a %}" * 900 + "x" + "{% endcapture %}" * 900,
    "{% unless a %}" * 200 + "x" + "{% endunless %}" * 200,
    "{{ " + "(" * 1_400 + " }}",
    "{{ cart" + "['lines']" * 150 + " }}",
    "{{ 'a' | " + "prepend: 'a' | " * 90 + "size }}",
    "{{ '" + "<a " * 400 + "' | strip_newlines | newline_to_br | escape_once | url_encode }}",
    "{% assign a = (1..1000) %}{% for i in a %}{{ a | join: ',' }}{% endfor %}",
    "{{ 'x' | date: '%" + "-" * 1_000 + "Y' }}",
    "{{ '" + "9" * 1_300 + "' | plus: 1 | times: 1e300 }}",
    "{{ 10 | divided_by: 0.0 }}{{ 1e308 | times: 1e308 }}{{ -1 | modulo: 0 }}",
    "{{ 0.1 | round: 999999999 }}",
    "{{ 5 | at_most: 'x' | at_least: cart }}",
    "{{ cart.title | truncatewords: 999999999999 }}{{ cart.title | slice: -9223372036854775808, 9223372036854775807 }}",
    "{% for i in (1..1000) limit: 1000 offset: 999999999999 reversed %}x{% endfor %}",
    "{% for i in (-999999999999..999999999999) %}{% break %}{% endfor %}x",
]

TEXTS = ("cart.title", "shop.name", "'aaaaaaaaaa'", "cart.lines[0].title", "a", "9999999", "cart.url", "nobody.x")
LISTS = ("(1..1000)", "(1..31)", "cart.lines", "'a b c d' | split: ' '", "a")
TEXT_FILTERS = (
    *(
        "append: a",
        "prepend: cart.title",
        "replace: 'a', 'aaaaaaaa'",
        "upcase",
        "escape",
        "url_encode",
        "append: cart.url",
    ),
    *(
        "times: 999999",
        "plus: 1",
        "date: '%99d'",
        "size",
        "slice: 0, 99999",
        "truncate: 99999",
        "newline_to_br",
        "nope",
    ),
    *("remove: 'a'", "strip", "truncatewords: 9999", "split: '' | join: '-'", "default: cart", "escape_once"),
)
LIST_FILTERS = ("reverse", "sort", "uniq", "concat: a", "map: 'title'", "sum", "compact", "first", "where: 'title'")


def grow(seed: int) -> str:
    """A template of at most some 100 kB: mostly well-formed, always greedy; the same `seed` grows the same one."""
    chance = random.Random(seed)
    source = "{% assign a = 'abc' %}" + "".join(_branch(chance, depth=0) for _piece in range(chance.randint(1, 6)))
    if chance.random() < 0.3:
        source *= min(chance.choice((10, 100, 1_000)), 120_000 // len(source) + 1)
    if chance.random() < 0.1:
        cut = chance.randrange(len(source) + 1)
        source = (
            source[:cut] + chance.choice(("{{", "{%", "}}", "%}", "{% endfor %}", "\x00", "\u202e", "'")) + source[cut:]
        )
    return source[:120_000]


def messages(count: int, seed: int) -> Iterator[tuple[str, str | list[str]]]:
    """`count` hostile bodies, each with its name: up to half of them drawn from the hand-made ones, the others grown."""
    drawn = random.Random(seed).sample(range(len(HAND_MADE)), min(count // 2, len(HAND_MADE)))
    yield from ((f"hand-made {number}", HAND_MADE[number]) for number in drawn)
    yield from ((f"grown {number}", grow(number)) for number in range(seed, seed + count - len(drawn)))


def _branch(chance: random.Random, *, depth: int) -> str:
    kind = chance.choice("oooatifcu" if depth < 5 else "ooat")
    inner = (
        "".join(_branch(chance, depth=depth + 1) for _piece in range(chance.randint(1, 3))) if kind in "ifcu" else ""
    )
    match kind:
        case "i":
            return f"{{% if {chance.choice(TEXTS)} contains {chance.choice(TEXTS)} %}}{inner}{{% endif %}}"
        case "f":
            return f"{{% for i in {chance.choice(('(1..1000)', '(1..9)', 'cart.lines', 'a'))} %}}{inner}{{% endfor %}}"
        case "c":
            return f"{{% capture a %}}{inner}{{% endcapture %}}"
        case "u":
            return f"{{% unless {chance.choice(TEXTS)} == {chance.choice(TEXTS)} %}}{inner}{{% endunless %}}"
        case "a":
            return f"{{% assign a = {_expression(chance)} %}}"
        case "t":
            return chance.choice(("x", "é€", "\n", "🧨", "<b>", "&")) * chance.choice((1, 50, 5_000))
    return f"{{{{ {_expression(chance)} | default: 'x' }}}}"


def _expression(chance: random.Random) -> str:
    """A text through filters for texts; now and then a list, told by its size."""
    length = chance.choice((0, 1, 2, 5, 30))
    if chance.random() < 0.2:
        return " | ".join([chance.choice(LISTS), *(chance.choice(LIST_FILTERS) for _filter in range(length)), "size"])
    return " | ".join([chance.choice(TEXTS), *(chance.choice(TEXT_FILTERS) for _filter in range(length))])
