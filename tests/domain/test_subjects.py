"""What a message speaks of, as plain facts."""

from __future__ import annotations

import pytest

from retarget_plugin.domain.subjects import Product, Subject


def products(references):
    return tuple(Product(reference=reference, title=reference) for reference in references)


@pytest.mark.parametrize(
    ("picked", "new", "needed", "apart"),
    [
        ("ab", "cd", [], ("ab", "cd")),
        ("ab", "bc", [], ("ab", "c")),
        ("ab", "ba", [], ("ab", "")),
        ("ab", "ba", ["recommendations"], ("ab", "")),
        ("abc", "bc", ["new_products"], ("a", "bc")),
        ("ab", "ba", ["new_products"], ("", "ba")),
        ("ab", "ba", ["recommendations", "new_products"], ("ab", "ba")),
        ("", "a", [], ("", "a")),
        ("a", "", ["new_products"], ("a", "")),
    ],
)
def test_a_product_stands_in_one_list_unless_a_list_that_is_needed_were_empty(picked, new, needed, apart):
    subject = Subject(recommendations=products(picked), new_products=products(new)).apart(needed)

    shown = ["".join(one.reference for one in found) for found in (subject.recommendations, subject.new_products)]
    assert tuple(shown) == apart
