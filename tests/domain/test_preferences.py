"""The owner's words in the reader's language; answers that are among those offered."""

import pytest

from retarget_plugin.domain.preferences import chosen, said

OPTIONS = [{"value": "dog"}, {"value": "cat"}, {"value": "fish"}]


@pytest.mark.parametrize(
    ("labels", "language", "read"),
    [
        ({"en": "Books", "fr": "Livres"}, "fr", "Livres"),
        ({"en": "Books", "fr": "Livres"}, "fr-CA", "Livres"),
        ({"en": "Books", "fr": "Livres"}, "es", "Books"),
        ({"en": "", "fr": "Livres"}, "es", "Livres"),
        ({"en": "Books", "fr": ""}, "fr", "Books"),
        ({"fr": "Livres"}, "", "Livres"),
        ({}, "en", "slug"),
    ],
)
def test_the_nearest_language_that_is_written(labels, language, read):
    assert said(labels, language, otherwise="slug") == read


@pytest.mark.parametrize(
    ("values", "takes_several", "kept"),
    [
        (["cat"], False, ["cat"]),
        (["cat", "cat"], False, ["cat"]),
        ([], False, []),
        (["cat", "dog"], False, None),
        (["cat", "dog"], True, ["dog", "cat"]),
        (["cat", "dragon"], True, None),
        ([""], True, None),
    ],
)
def test_answers_are_kept_in_the_order_they_were_offered(values, takes_several, kept):
    assert chosen(values, OPTIONS, takes_several=takes_several) == kept
