"""CSV files that a spreadsheet opens as text and numbers, never as formulas."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse

# A formula starts a cell, one of its later lines, or what follows a semicolon where that separates cells; blanks before
# it are skipped. East Asian editions take full-width signs for the plain ones.
# https://owasp.org/www-community/attacks/CSV_Injection
_BLANK = "(?:[^\\S\r\n\u2028\u2029]|[\u200b\u2060\ufeff\x00-\x08\x0e-\x1b])*"
_STARTS = re.compile(f"(\\A(?=[\t\r\n])|(?:\\A|[\r\n\u2028\u2029;])(?={_BLANK}[=+\\-@＝＋－＠]))")


def cell(value: Any) -> Any:
    """`value` as it may stand in a file: numbers and dates as they are, in text a ' before all that could act as a formula."""
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    return _STARTS.sub(r"\1'", str(value))


def download(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """The rows as an attachment `name`, UTF-8 with the mark by which spreadsheets recognise it."""
    response = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class _Line:
    """A file that keeps nothing: csv.writer answers what it writes."""

    def write(self, text: str) -> str:
        return text


def _lines(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterable[str]:
    writer = csv.writer(_Line())
    yield "\ufeff" + writer.writerow([cell(value) for value in header])
    for row in rows:
        yield writer.writerow([cell(value) for value in row])
