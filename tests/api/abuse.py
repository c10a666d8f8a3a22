"""Requests that nobody means well with, by name, for one of the two schemas."""

import json
from dataclasses import dataclass

JSON = "application/json"


@dataclass(frozen=True)
class Schema:
    """What a document needs to look plausible: a root field, a leaf and a list of objects in it, and type names."""

    query: str
    root: str
    type: str
    leaf: str
    list: str
    item: str


STOREFRONT = Schema("RetargetQuery", 'retargetCart(token: "x")', "RetargetCart", "currency", "lines", "title")
STAFF = Schema("RetargetStaffQuery", "retargetMessages", "RetargetMessageConnection", "totalCount", "edges", "cursor")


@dataclass(frozen=True)
class Request:
    body: bytes
    content_type: str = JSON
    method: str = "POST"


def requests(schema):
    """Name -> request. Every one must be refused."""
    found = {name: Request(json.dumps({"query": text}).encode()) for name, text in documents(schema).items()}
    found |= {name: Request(json.dumps(body).encode()) for name, body in bodies(schema).items()}
    return found | raw(schema)


def documents(s):
    leaf, root = s.leaf, s.root
    plain = f"{root} {{ {leaf} }}"
    return nesting(s, plain) | fragments(s) | floods(s, plain) | introspection() | malformed(s, plain)


def nesting(s, plain):
    chain = [f"fragment F{n} on {s.query} {{ a {{ ...F{n + 1} }} }}" for n in range(90)]
    inline = "... { " * 150
    return {
        "20 levels": "{ " + "a { " * 20 + "b" + " }" * 21,
        "150 levels": "{ " + "a { " * 150 + "b" + " }" * 151,
        "450 levels": "{ " + "a { " * 450 + "b" + " }" * 451,
        "450 levels never closed": "{ a " * 450,
        "9000 open braces": "{" * 9_000,
        "9000 open brackets": f"{{ a(x: {'[' * 9_000}) }}",
        "300 lists in a value": f"{{ a(x: {'[' * 300}{']' * 300}) }}",
        "300 objects in a value": f"{{ a(x: {'{a: ' * 150}1{'}' * 150}) }}",
        "300 lists in a type": f"query($a: {'[' * 300}Int{']' * 300}) {{ {plain} }}",
        "inline fragments in each other": f"{{ {inline} nope {'} ' * 150} }}",
        "a chain of 90 fragments": f"{{ ...F0 }} {' '.join(chain)} fragment F90 on {s.query} {{ b }}",
        "a known object in itself": f"{{ {s.root} {{ {s.list} {{ {s.list} {{ {s.list} {{ {s.item} }} }} }} }} }}",
    }


def fragments(s):
    def bomb(levels, times=2, body="{spreads}", last="{leaf}"):
        parts = []
        for number in range(levels):
            spreads = " ".join([f"...F{number + 1}"] * times)
            parts.append(f"fragment F{number} on {s.type} {{ {body.format(spreads=spreads)} }}")
        end = f"fragment F{levels} on {s.type} {{ {last.format(leaf=s.leaf)} }}"
        return f"{{ {s.root} {{ ...F0 }} }} {' '.join(parts)} {end}"

    ring = " ".join(f"fragment F{n} on {s.type} {{ {s.leaf} ...F{(n + 1) % 40} }}" for n in range(40))
    full = " ".join(f"fragment F{n} on {s.type} {{ {' '.join(f'...F{m}' for m in range(13))} }}" for n in range(13))
    star = " ".join(f"fragment F{n} on {s.type} {{ {s.leaf} }}" for n in range(60))
    return {
        "doubling 10 times": bomb(10),
        "doubling 25 times": bomb(25),
        "doubling 60 times": bomb(60),
        "tenfold 12 times": bomb(12, 10),
        "doubling without a field": bomb(40, last="...Nope"),
        "doubling in inline fragments": bomb(20, body="... {{ {spreads} }} ... {{ {spreads} }}"),
        "doubling in a list": bomb(20, body=f"{s.list} {{{{ x {{{{ {{spreads}} }}}} }}}}"),
        "doubling behind @skip": bomb(20, body="... @skip(if: true) {{ {spreads} }} {spreads}"),
        "doubling with aliases": bomb(20, body="{spreads} a: nope {{ {spreads} }}"),
        "in itself": f"{{ {s.root} {{ ...F }} }} fragment F on {s.type} {{ {s.leaf} ...F }}",
        "in itself, one level down": f"{{ ...F }} fragment F on {s.query} {{ {s.root} {{ ...F }} }}",
        "in each other": f"{{ ...A }} fragment A on {s.query} {{ ...B }} fragment B on {s.query} {{ ...A }}",
        "a ring of 40": f"{{ {s.root} {{ ...F0 }} }} {ring}",
        "each in each": f"{{ {s.root} {{ ...F0 }} }} {full}",
        "60 never used": f"{{ {s.root} {{ {s.leaf} }} }} {star}",
        "undefined": f"{{ {s.root} {{ ...Nope }} }}",
        "300 undefined": f"{{ {s.root} {{ {'...Nope ' * 300} }} }}",
        "of an unknown type": f"{{ {s.root} {{ ...F }} }} fragment F on Nope {{ a }}",
        "of a scalar": f"{{ {s.root} {{ ... on String {{ a }} }} }}",
        "of another type": f"{{ {s.root} {{ ... on RetargetMoney {{ amount }} }} }}",
        "defined twice": f"{{ {s.root} {{ ...F }} }} " + f"fragment F on {s.type} {{ {s.leaf} }} " * 2,
        "defined 60 times": f"{{ {s.root} {{ ...F }} }} " + f"fragment F on {s.type} {{ {s.leaf} }} " * 60,
        "named on": f"{{ ...on }} fragment on on {s.query} {{ __typename }}",
        "and nothing else": f"fragment F on {s.query} {{ __typename }}",
    }


def floods(s, plain):
    leaf = s.leaf
    aliased = " ".join(f"a{n}: {leaf}" for n in range(200))
    operations = " ".join(f"query Q{n} {{ __typename }}" for n in range(120))
    mutations = " ".join(f'm{n}: retargetRestoreCart(input: {{token: "x"}}) {{ url }}' for n in range(40))
    conflicts = " ".join(f"{leaf} {leaf}: nope" for _ in range(90))
    lists = "[" + "1 " * 40 + "]"
    variables = " ".join(f"$v{n}: Int" for n in range(220))
    long = "a" * 9_000
    shared = " ".join(f"query Q{n} {{ ...F }}" for n in range(120))
    return {
        "200 aliases": f"{{ {s.root} {{ {aliased} }} }}",
        "16 aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(16)) + " }",
        "11 root fields": "{ " + "__typename " * 11 + "}",
        "40 aliased root fields": "{ " + " ".join(f"a{n}: {plain}" for n in range(40)) + " }",
        "40 repeated root fields": "{ " + f"{plain} " * 40 + "}",
        "300 repeated fields": f"{{ {s.root} {{ {f'{leaf} ' * 300} }} }}",
        "980 repeated fields": f"{{ {s.root} {{ {f'{leaf} ' * 980} }} }}",
        "3000 fields": "{ " + "a " * 3_000 + "}",
        "3000 different fields": "{ " + " ".join(f"a{n}" for n in range(3_000)) + " }",
        "600 long fields": "{ " + f"{'b' * 25} " * 600 + "}",
        "160 repeated objects": f"{{ {s.root} {{ {f'{s.list} {{ {s.item} }} ' * 99} }} }}",
        "conflicting fields": f"{{ {s.root} {{ {conflicts} }} }}",
        "repeated fields with long arguments": f"{{ {s.root} {{ {f'{leaf}(x: {lists}) ' * 20} }} }}",
        "120 operations": operations,
        "120 operations on one fragment": f"{shared} fragment F on {s.query} {{ __typename a(x: ${long}) }}",
        "operations of one name": "query Q { __typename } " * 100,
        "anonymous operations": "{ __typename } " * 100,
        "40 mutations": f"mutation {{ {mutations} }}",
        "2 mutations": 'mutation { a: retargetRestoreCart(input: {token: ""}) { url } b: nope }',
        "450 unknown directives": f"{{ {s.root} {{ {leaf} {'@a' * 450} }} }}",
        "150 @skip on one field": f"{{ {s.root} {{ {leaf} {'@skip(if: false) ' * 130} }} }}",
        "directives on an operation": f"query {'@include(if: true) ' * 120} {{ __typename }}",
        "directives on a fragment": f"{{ ...F {'@a ' * 300} }} fragment F on {s.query} {'@b ' * 100} {{ __typename }}",
        "300 arguments": f"{{ a({'x: 1 ' * 300}) {{ b }} }}",
        "300 different arguments": "{ a(" + " ".join(f"x{n}: 1" for n in range(300)) + ") { b } }",
        "220 variables": f"query({variables}) {{ __typename }}",
        "one variable 200 times": "query(" + "$a: Int " * 200 + ") { __typename }",
        "an object of 300 fields": "{ a(x: {" + "k: 1 " * 300 + "}) }",
        "a list of 900 numbers": "{ a(x: [" + "1 " * 900 + "]) }",
        "a name of 9000 letters": f"{{ {long} }}",
        "a type name of 9000 letters": f"query($a: {long}) {{ __typename }}",
        "a number of 9000 digits": f"{{ a(x: {'9' * 9_000}) }}",
        "a number of 4000 digits as rows": f"{{ retargetMessages(first: {'9' * 4_000}) {{ totalCount }} }}",
        "a text of 9000 letters for a number": f'{{ retargetMessages(first: "{long}") {{ totalCount }} }}',
        "lists and objects for a token": f"{{ retargetCart(token: {lists}) {{ currency }} }}",
        "1500 comments": "#\n" * 1_500 + "{ __typename }",
        "a comment of 18000 letters and no query": "#" + "a" * 18_000,
        "18000 commas": "," * 18_000,
        "a byte order mark for each letter": "\ufeff" * 3_000,
        "a block string of 18000 quotes": '{ a(x: """' + '\\"""' * 4_000 + '""") }',
        "a block string never closed": '{ a(x: """' + "\n " * 5_000,
        "a block string of 4000 lines": '{ a(x: """' + "\n  b" * 3_000 + '""") }',
        "a text never closed": '{ a(x: "' + "b" * 10_000,
        "3000 escapes": '{ a(x: "' + "\\u0041" * 2_000 + '") }',
        "500 texts": "{ a(x: [" + '"b" ' * 500 + "]) }",
        "450 empty texts": "{ a(x: [" + '"" ' * 450 + "]) }",
    }


def introspection():
    ofs = "ofType { kind name " * 9 + "}" * 9
    return {
        "__schema": "{ __schema { types { name fields { name } } } }",
        "__type": '{ __type(name: "RetargetMessage") { fields { name } } }',
        "__schema under an alias": "{ a: __schema { queryType { name } } }",
        "__schema in a fragment": "{ ...F } fragment F on Query { ...G } fragment G on Query { __schema { a } }",
        "__schema in an inline fragment": "{ ... { ... @include(if: true) { __schema { queryType { name } } } } }",
        "__schema skipped": "{ __schema @skip(if: true) { queryType { name } } }",
        "__schema in circles": "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "__schema ten times": "{ " + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(10)) + " }",
        "__type of types": f'{{ __type(name: "Int") {{ {ofs} }} }}',
        "__schema in a mutation": "mutation { __schema { queryType { name } } }",
    }


def malformed(s, plain):
    return {
        "only white space": " \n\t ",
        "only a brace": "{",
        "an empty selection": "{ }",
        "an empty selection inside": f"{{ {s.root} {{ }} }}",
        "no selection of an object": f"{{ {s.root} }}",
        "a selection of a leaf": f"{{ {s.root} {{ {s.leaf} {{ a }} }} }}",
        "an unknown field": "{ nope }",
        "SQL": "SELECT * FROM auth_user",
        "HTML": "<script>alert(1)</script>",
        "a schema": "type Query { a: Int } schema { query: Query }",
        "a query and a schema": "{ __typename } type Query { a: Int }",
        "an extension": "extend type RetargetCart { email: String }",
        "a directive definition": "directive @a on FIELD { __typename }",
        "a subscription": "subscription { retargetCart { currency } }",
        "a subscription beside a query": f"subscription A {{ a }} query B {{ {plain} }}",
        "an unknown operation": "teach { me }",
        "a required variable left out": "query($a: Boolean!) { __typename @skip(if: $a) }",
        "an undefined variable": "{ __typename @skip(if: $nope) }",
        "a variable in a default": "query($a: Int = $b) { __typename }",
        "a null character": "{ __typename \x00 }",
        "a null character in a text": '{ a(x: "\x00") }',
        "half a pair": '{ a(x: "\\ud800") }',
        "a code point beyond Unicode": '{ a(x: "\\u{110000}") }',
        "text turned round": "{ \u202e__typename }",
        "full-width braces": "\uff5b __typename \uff5d",
        "a number with a name": "{ a(x: 1a) }",
        "a number with two points": "{ a(x: 1.2.3) }",
        "NaN": "query($a: Float = NaN) { __typename @skip(if: $a) }",
        "a field of Python": f"{{ {s.root} {{ __class__ {{ __mro__ }} }} }}",
        "a field of the row": "{ retargetMessages { edges { node { contact { email } shop_id gateway_id } } } }",
        "a field of the person": '{ retargetCart(token: "x") { email contact { email } } }',
    }


def bodies(s):
    query = f"{{ {s.root} {{ {s.leaf} }} }}"
    hashed = {"version": 1, "sha256Hash": "0" * 64}
    many = {f"v{number}": number for number in range(1_200)}
    deep = {}
    for _ in range(900):
        deep = {"a": deep}
    return {
        "a list": [{"query": query}],
        "an empty list": [],
        "a list of 300": [{"query": "{__typename}"}] * 300,
        "a list in a list": [[{"query": query}]],
        "null": None,
        "true": True,
        "a number": 1,
        "a text": query,
        "an empty object": {},
        "no query": {"variables": {}},
        "an empty query": {"query": ""},
        "a query that is null": {"query": None},
        "a query that is a number": {"query": 7},
        "a query that is a list": {"query": [query]},
        "a query that is an object": {"query": {"kind": "Document"}},
        "a query that is true": {"query": True},
        "variables that are a list": {"query": query, "variables": []},
        "variables that are a text": {"query": query, "variables": "{}"},
        "variables that are a number": {"query": query, "variables": 1},
        "variables that are false": {"query": query, "variables": False},
        "a name that is a number": {"query": query, "operationName": 1},
        "a name that is an object": {"query": query, "operationName": {}},
        "a name that is a list": {"query": query, "operationName": [[]]},
        "an unknown name": {"query": query, "operationName": "Nope"},
        "a name of 9000 letters": {"query": query, "operationName": "a" * 9_000},
        "several operations and no name": {"query": "query A { __typename } query B { __typename }"},
        "a subscription by name": {"query": "query A { __typename } subscription B { a }", "operationName": "B"},
        "variables 900 levels deep": {
            "query": "query($a: Boolean) { __typename @skip(if: $a) }",
            "variables": {"a": deep},
        },
        "1200 variables": {"query": "query($v1: Boolean!) { __typename @skip(if: $v1) }", "variables": many},
        "a variable of 15000 letters": {
            "query": "query($a: Boolean!) { __typename @skip(if: $a) }",
            "variables": {"a": "b" * 15_000},
        },
        "a huge number for a number": {
            "query": "query($a: Int) { retargetMessages(first: $a) { totalCount } }",
            "variables": {"a": 10**4_000},
        },
        "a persisted hash": {"extensions": {"persistedQuery": hashed}},
        "a persisted hash that is a list": {"extensions": {"persistedQuery": {"sha256Hash": [1]}}},
        "a persisted query that is a text": {"extensions": {"persistedQuery": "x"}},
        "extensions that are a text": {"extensions": "persistedQuery"},
        "extensions that are a list": {"extensions": [hashed]},
        "a document id": {"documentId": "a" * 64},
        "a document id that is a list": {"documentId": ["a"]},
        "a document id that is an object": {"documentId": {"a": 1}},
        "an id": {"id": "1", "variables": {}},
    }


def raw(s):
    query = json.dumps({"query": f"{{ {s.root} {{ {s.leaf} }} }}"}).encode()
    wrapped = b'{"query": "{ __typename }", "variables": {"a": %s}}'
    form = b"query=%7B__typename%7D"
    part = b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n{__typename}\r\n--x--\r\n'
    upload = part.replace(b'name="query"', b'name="operations"').replace(b"{__typename}", query)
    return {
        "GET": Request(b"", method="GET"),
        "GET with a body": Request(query, method="GET"),
        "DELETE": Request(query, method="DELETE"),
        "PATCH": Request(query, method="PATCH"),
        "a form": Request(form, "application/x-www-form-urlencoded"),
        "a form called JSON": Request(form),
        "a multipart form": Request(part, "multipart/form-data; boundary=x"),
        "a multipart form without a boundary": Request(part, "multipart/form-data"),
        "a file upload": Request(upload, "multipart/form-data; boundary=x"),
        "application/graphql": Request(b"{ __typename }", "application/graphql"),
        "a bare query": Request(b"{ __typename }"),
        "XML": Request(b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "application/xml"),
        "nothing": Request(b""),
        "invalid UTF-8": Request(b'{"query": "{ \xff\xfe }"}'),
        "UTF-8 cut short": Request(b'{"query": "{ __typename }", "a": "\xc3'),
        "overlong UTF-8": Request(b'{"query": "{ \xc0\xaf }"}'),
        "UTF-16": Request('{"query": "{ __typename }"}'.encode("utf-16")),
        "UTF-32": Request('{"query": "{ __typename }"}'.encode("utf-32")),
        "a byte order mark": Request(b"\xef\xbb\xbf" + query),
        "zeros": Request(b"\x00" * 10_000),
        "gzip": Request(b"\x1f\x8b\x08\x00" + b"\x00" * 200),
        "cut short": Request(query[:-1]),
        "more behind it": Request(query + query),
        "NaN in the variables": Request(wrapped % b"NaN"),
        "Infinity in the variables": Request(wrapped % b"-Infinity"),
        "a number of 9000 digits": Request(wrapped % (b"9" * 9_000)),
        "half a pair in the variables": Request(wrapped % b'"\\ud800"'),
        "half a pair as a name": Request(b'{"query": "{ __typename }", "variables": {"\\uDFFF": 1}}'),
        "half a pair in the query": Request(b'{"query": "{ __typename # \\udfff\\ud800\\n }"}'),
        "a line break in a text": Request(b'{"query": "{\n__typename }"}'),
        "single quotes": Request(b"{'query': '{ __typename }'}"),
        "9000 open lists": Request(b"[" * 9_000),
        "9000 lists": Request(b"[" * 9_000 + b"]" * 9_000),
        "3000 open objects": Request(b'{"a":' * 3_000),
        "9000 lists in the variables": Request(wrapped % (b"[" * 9_000 + b"]" * 9_000)),
        "20001 bytes": Request(query.ljust(20_001)),
        "a megabyte": Request(json.dumps({"query": "{ a }" * 200_000}).encode()),
        "a megabyte of brackets": Request(b"[" * 1_000_000),
        "five megabytes": Request(b'{"query": "' + b"a" * 5_000_000 + b'"}'),
    }


def widest():
    """Documents of the storefront as large as its limits allow, and padded, so that none is remembered."""
    root = STOREFRONT.root
    names = range(36)
    spreads = " ".join(f"...F{name}" for name in names)
    small = " ".join(f"fragment F{name} on RetargetCart {{ total {{ amount }} }}" for name in names)
    texts = {
        "leaves": f"{{ {root} {{ {'currency ' * 149} }} }}",
        "objects": f"{{ {root} {{ {'total { amount } ' * 74} }} }}",
        "two fragments": f"{{ {root} {{ ...A ...B }} }} fragment A on RetargetCart {{ {'currency ' * 73} }} "
        f"fragment B on RetargetCart {{ {'currency ' * 73} }}",
        "many fragments": f"{{ {root} {{ {spreads} }} }} {small}",
        "inline fragments": f"{{ {root} {{ {'... { currency } ' * 74} }} }}",
        "nested fragments": f"{{ {root} {{ {'... { ' * 70} currency {'}' * 70} }} }}",
        "roots": "{ " + " ".join(f"a{name}: {root} {{ currency }}" for name in range(10)) + " }",
        "directives": f"{{ {root} {{ {'currency @skip(if: false) ' * 120} }} }}",
    }
    return {name: text.ljust(3_000) for name, text in texts.items()}
