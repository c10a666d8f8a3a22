"""Cells that a spreadsheet must not take for formulas."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from retarget_plugin.admin.spreadsheets import cell


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\tname", "'\tname"),
        ("\r=1", "'\r'=1"),
        ("  =1", "'  =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\u200b\ufeff=1", "'\u200b\ufeff=1"),
        ("＝1", "'＝1"),
        ("first\n=1", "first\n'=1"),
        ("first\r\n  @x", "first\r\n'  @x"),
        ("first;=1", "first;'=1"),
        ("first; =1", "first;' =1"),
        ("a=b", "a=b"),
        ("a-b, -5%", "a-b, -5%"),
        ("ana@example.com", "ana@example.com"),
        ("", ""),
        (None, ""),
        (-5, -5),
        (Decimal("-1.50"), Decimal("-1.50")),
        (date(2026, 11, 24), "2026-11-24"),
    ],
)
def test_text_that_could_act_is_put_behind_a_quote(value, written):
    assert cell(value) == written
