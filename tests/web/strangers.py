"""Requests that nobody means well with, to every public address: grown from what is right, bent out of a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from graphql import GraphQLSchema, get_named_type, is_input_object_type, is_leaf_type, is_list_type, is_non_null_type

NASTY: Sequence[Any] = (
    *("", " ", "0", "-1", "x", "a" * 5_000, "é" * 300, "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202e\u2066", "\ufeff"),
    *("\r\nSet-Cookie: a=b", "'; DROP TABLE x; --", "<script>alert(1)</script>", "{{ 7|times:7 }}", "%00", "../../etc/passwd"),
    *("lea@mail.example", "a@b@c", "+33612345678", "+" + "9" * 40, "https://evil.example", "javascript:alert(1)"),
    *("NaN", "Infinity", "1e999", "٣", "true", "null", "en-XX-\x00", "🧨" * 100, "2026-13-45T99:99:99Z", "__class__"),
    *(0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.1, 1e308, float("nan"), float("inf"), True, False, None),
    *([], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}, ["x"] * 300, {str(n): n for n in range(300)}),
)  # fmt: skip
BYTES = (
    b"\xff",
    b"\x00",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf5",
    b"[" * 2_000,
    b'{"a":' * 500,
    b"9" * 5_000,
    b'"',
    b"\\u",
    b"\r\n",
)
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
         "text/plain; charset=utf-16", "application/json; charset=nope", "multipart/form-data", "x", "")  # fmt: skip
QUERIES = ("path", "topic", "language", "n", "p", "from", "file", "calendar", "next", "x", "\x00", "é")
METHODS = ("GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "X")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "",
    "curl/8",
    "\xff" * 400,
    "a" * 20_000,
)
ORIGINS = ("https://shop.example.com", "", "null", "https://evil.example", "\xe9", "http://[", "https://" + "a" * 5_000)
HEADERS = {
    "HTTP_ACCEPT_LANGUAGE": ("fr", "xx-" * 900, "\x00", "en;q=9e999", "*", "\xff", "fr;q=" + "9" * 900),
    "HTTP_ACCEPT": ("application/json", "text/html", "*/*;q=x", "\xff"),
    "HTTP_X_FORWARDED_FOR": ("192.0.2.1", ",,,,", "x" * 5_000, "[::1", "::ffff:1.2.3.4", "1.2.3.4:99999999", "\xff"),
    "HTTP_CONTENT_ENCODING": ("gzip", "identity", "\xff"),
    "HTTP_AUTHORIZATION": ("Bearer", "Bearer \xff", "Basic !!!!", "Bearer t0ken"),
    "HTTP_IF_NONE_MATCH": ('"x"', "W/", "\xff", "*"),
    "HTTP_IF_MODIFIED_SINCE": ("x", "Thu, 99 Foo 9999 99:99:99 GMT"),
    "HTTP_RANGE": ("bytes=0-", "bytes=9-1", "bytes=-", "x=0-1", "bytes=" + "0-1," * 900),
    "HTTP_HOST": ("shop.example.com", "evil.example", "a..b", "[::1", "\xff", "x" * 900, "shop.example.com:x"),
    "HTTP_REFERER": ("https://evil.example/\xff", "//", "x" * 9_000),
    "HTTP_SEC_FETCH_SITE": ("cross-site", "\xff"),
    "HTTP_COOKIE": ("retarget_visitor=", "retarget_visitor=\xff", "csrftoken=" + "x" * 32, "a=b;;;=;\x00", "sessionid='\""),
    # A server hands on as many bytes as it says.
    "CONTENT_LENGTH": ("", "0"),
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes = b""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Address:
    """A public address as Django writes it ("recover/<str:token>/"), and what is right there, as far as it is known.

    `words` stand in for its parameters: tokens, slugs, codes. `bodies` are data of one of `types`.
    """

    route: str
    methods: Sequence[str] = METHODS
    words: Sequence[str] = ()
    bodies: Sequence[Any] = ()
    types: Sequence[str] = TYPES


@dataclass(frozen=True)
class Stranger:
    """Sends to each address mostly what is nearly right there, and now and then what is right at any other."""

    addresses: Sequence[Address]
    prefix: str = "/retarget/"

    def requests(self, count: int, *, seed: int) -> Iterator[Request]:
        """`count` requests, the same for the same `seed`; every address gets its share."""
        chance = random.Random(seed)
        for number in range(count):
            yield self.request(chance, self.addresses[number % len(self.addresses)])

    def request(self, chance: random.Random, address: Address) -> Request:
        lost = chance.choice(self.addresses)
        content, content_type = self.body(chance, address if address.bodies and chance.random() < 0.9 else lost)
        extra = {"CONTENT_TYPE": content_type, "REMOTE_ADDR": f"10.{chance.randrange(256)}.{chance.randrange(256)}.7"}
        extra["HTTP_USER_AGENT"] = AGENTS[0] if chance.random() < 0.8 else chance.choice(AGENTS)
        if chance.random() < 0.4:
            extra["HTTP_ORIGIN"] = ORIGINS[0] if chance.random() < 0.8 else chance.choice(ORIGINS)
        for name in chance.sample(list(HEADERS), chance.choice((0, 0, 0, 0, 1, 2))):
            extra[name] = chance.choice(HEADERS[name])
        method = chance.choice(address.methods if chance.random() < 0.9 else METHODS)
        words = address.words if address.words and chance.random() < 0.9 else lost.words
        return Request(method, self.path(chance, address.route, words), content, extra)

    def path(self, chance: random.Random, route: str, words: Sequence[str]) -> str:
        parts = [word(chance, words) if part.startswith("<") else part for part in route.split("/")]
        query = ""
        if chance.random() < 0.4:
            pairs = [(chance.choice(QUERIES), as_text(chance.choice(NASTY))) for _pair in range(chance.randint(1, 5))]
            query = "?" + urlencode(pairs, errors="surrogatepass")
        return f"{self.prefix}{'/'.join(parts)}{query}"

    def body(self, chance: random.Random, address: Address) -> tuple[bytes, str]:
        data = chance.choice(address.bodies or ({},))
        for _time in range(chance.choice((0, 1, 1, 2, 5))):
            data = bend(chance, data)
        content_type = chance.choice(address.types if chance.random() < 0.95 else TYPES)
        if content_type.endswith("urlencoded") and isinstance(data, dict):
            pairs = [(as_text(key), as_text(value)) for key, value in data.items()]
            content = urlencode(pairs, errors="surrogatepass").encode()
        else:
            content = json.dumps(data, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
        return (bend_bytes(chance, content) if chance.random() < 0.25 else content), content_type


def word(chance: random.Random, words: Sequence[str]) -> str:
    found = chance.choice(words or ("x",))
    if chance.random() < 0.4:
        found = as_text(chance.choice(NASTY)) if chance.random() < 0.4 else bend_text(chance, found)
    return quote(found, safe=":", errors="surrogatepass")


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def bend(chance: random.Random, data: Any) -> Any:
    """`data` with one thing in it changed for a nasty one, left out, doubled or wrapped."""
    if isinstance(data, dict) and data and chance.random() < 0.85:
        # A bent query says nothing to anybody; what stands in its variables does.
        key = chance.choice([name for name in data if name != "query" or chance.random() < 0.2] or list(data))
        match chance.randrange(8):
            case 0:
                return {name: value for name, value in data.items() if name != key}
            case 1:
                return {**data, as_text(chance.choice(NASTY)): chance.choice(NASTY)}
            case _:
                return {**data, key: bend(chance, data[key])}
    if isinstance(data, list) and data and chance.random() < 0.85:
        place = chance.randrange(len(data))
        if chance.random() < 0.2:
            return data * chance.choice((2, 60))
        return [*data[:place], bend(chance, data[place]), *data[place + 1 :]]
    if isinstance(data, str) and chance.random() < 0.4:
        return bend_text(chance, data)
    return chance.choice(NASTY)


def bend_text(chance: random.Random, text: str) -> str:
    place = chance.randrange(len(text) + 1)
    match chance.randrange(4):
        case 0:
            return text[:place]
        case 1:
            return text[:place] + as_text(chance.choice(NASTY)) + text[place:]
        case 2:
            return text[:place] + chr(chance.randrange(0x2000)) + text[place + 1 :]
        case _:
            return text * 2


def bend_bytes(chance: random.Random, content: bytes) -> bytes:
    place = chance.randrange(len(content) + 1)
    match chance.randrange(4):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + chance.choice(BYTES) + content[place:]
        case 2:
            return content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]
        case _:
            return content * chance.choice((2, 40))


# --- GraphQL ---------------------------------------------------------------------------------------------------


def operations(schema: GraphQLSchema, words: Sequence[str]) -> list[dict[str, Any]]:
    """One plausible request for every root field there is, with each of its arguments as a variable."""
    found = []
    for kind, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for name, one in root.fields.items() if root else ():
            arguments = {key: argument.type for key, argument in one.args.items()}
            declared = ", ".join(f"${key}: {kind_of}" for key, kind_of in arguments.items())
            given = ", ".join(f"{key}: ${key}" for key in arguments)
            call = f"{name}{f'({given})' if given else ''} {_leaves(one.type, 2)}"
            query = f"{kind} X{f'({declared})' if declared else ''} {{ {call} }}"
            for word in words:
                variables = {key: _value(kind_of, word) for key, kind_of in arguments.items()}
                found.append({"query": query, "variables": variables})
    return found


def _leaves(output: Any, depth: int) -> str:
    named = get_named_type(output)
    if is_leaf_type(named):
        return ""
    if depth == 0:
        return "{ __typename }"
    fields = [
        f"{name} {_leaves(one.type, depth - 1)}"
        for name, one in getattr(named, "fields", {}).items()
        if not any(is_non_null_type(argument.type) for argument in one.args.values())
    ]
    return f"{{ {' '.join(fields[:12]) or '__typename'} }}"


def _value(kind: Any, word: str) -> Any:
    if is_non_null_type(kind):
        return _value(kind.of_type, word)
    if is_list_type(kind):
        return [_value(kind.of_type, word)]
    if is_input_object_type(kind):
        return {name: _value(one.type, word) for name, one in kind.fields.items()}
    values = getattr(kind, "values", None)
    if values:
        return next(iter(values))
    return {"Int": 1, "Float": 1.5, "Boolean": True, "Decimal": "9.90", "Date": "2026-11-24"}.get(kind.name, word)
