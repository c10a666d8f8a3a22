"""Lists of numbers that said STOP, as providers' consoles export them: CSV, or one number a line."""

from __future__ import annotations

from dataclasses import dataclass

from retarget_plugin.exceptions import InputError

from .contacts import normalize_phone

#: How providers head the column of the numbers.
HEADINGS = {"number", "phone", "phone number", "phone_number", "phonenumber", "mobile", "msisdn", "recipient", "to"}
_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class OptOuts:
    """`numbers` in E.164, each once; `refused` are the lines (the first is 1) in which there is none."""

    numbers: tuple[str, ...]
    refused: tuple[int, ...]


def read(text: str, *, column: str = "", country: str = "") -> OptOuts:
    """The numbers of a list. A line that holds none is refused, and the others count.

    `column`: its heading, where it is not one of HEADINGS. `country`: ISO 3166 code of numbers that are written as at home;
    without it every number is a full one, with or without its plus sign. Raises InputError where several columns could
    be meant: an order's number must not be taken for somebody's telephone.
    """
    lines = [(place, line) for place, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1) if line.strip()]
    if not lines:
        return OptOuts((), ())
    delimiter = max(_DELIMITERS, key=lines[0][1].count)
    # No line may hide those below it behind a quotation mark that nobody closes.
    rows = [(place, [cell.strip(" \t\"'") for cell in line.split(delimiter)]) for place, line in lines]
    where = _column(rows[0][1], column)
    if column or len(rows[0][1]) > 1 or not any(char.isdigit() for char in rows[0][1][0]):
        rows = rows[1:]
    found = {place: _number(cells[where] if where < len(cells) else "", country) for place, cells in rows}
    numbers = dict.fromkeys(number for number in found.values() if number)
    return OptOuts(tuple(numbers), tuple(place for place, number in found.items() if not number))


def _column(heading: list[str], wanted: str) -> int:
    if len(heading) == 1 and not wanted:
        return 0
    names = [name.casefold() for name in heading]
    fitting = [place for place, name in enumerate(names) if (name == wanted.casefold() if wanted else name in HEADINGS)]
    if len(fitting) != 1:
        raise InputError("no_column", "Its first line must name the columns, and one of them is to be chosen.")
    return fitting[0]


def _number(cell: str, country: str) -> str:
    if not country and not cell.startswith("+"):
        cell = f"+{cell.removeprefix('00')}"
    return normalize_phone(cell, country)
