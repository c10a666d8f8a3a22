"""retarget.js over HTTP: the same bytes for everybody, kept by browsers, and asked for again after an upgrade."""

import gzip

from django.test import Client
from django.urls import reverse

from retarget_plugin.web.script import SOURCE

LIMIT = 6144


def get(**headers):
    return Client().get(reverse("retarget_plugin:script"), headers=headers)


def test_it_is_the_file_with_a_strong_tag():
    response = get()

    assert response.status_code == 200
    assert response.content == SOURCE.read_bytes()
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "public, max-age=3600, stale-while-revalidate=86400"
    assert response["ETag"].startswith('"')
    assert response.cookies == {}


def test_who_has_it_is_not_sent_it_again():
    tag = get()["ETag"]

    again = get(if_none_match=tag)

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert get(if_none_match='"an older one"').status_code == 200


def test_it_is_only_read():
    url = reverse("retarget_plugin:script")

    assert Client().head(url).status_code == 200
    assert Client().post(url).status_code == 405


def test_it_is_small(capsys):
    size = len(gzip.compress(SOURCE.read_bytes(), 9))

    with capsys.disabled():
        print(f" retarget.js: {size} bytes of {LIMIT} by gzip -9 ", end="")
    assert size < LIMIT


def test_nothing_in_it_needs_what_a_strict_policy_refuses():
    source = SOURCE.read_text("utf-8")

    for refused in ("eval(", "new Function", "innerHTML", "insertAdjacentHTML", "document.write", ".cookie", "onclick"):
        assert refused not in source, refused
