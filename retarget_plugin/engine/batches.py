"""A batch, one row after the other: what cannot be done with one of them holds up none of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import DataError, Error, IntegrityError, connection

Row = TypeVar("Row")


def each(rows: Iterable[Row], do: Callable[[Row], object], *, otherwise: Callable[[Row], object]) -> None:
    """`do` each of `rows`; `otherwise` what is left to do about one that fails, while its exception is handled.

    Trouble of the database's own, such as a lock, a full disk or a table that is missing, says nothing about a row: that
    one stays as it is, and the trouble is raised once the others had their turn; at once where nobody answers any more.
    """
    trouble: Error | None = None
    for row in rows:
        try:
            try:
                do(row)
            except Exception as error:
                if _is_of_the_database(error):
                    raise
                otherwise(row)
        except Error as error:
            if not _is_answering():
                raise
            trouble = trouble or error
    if trouble:
        raise trouble


def _is_of_the_database(error: Exception) -> bool:
    """Not where it refuses what the row would hold."""
    return isinstance(error, Error) and not isinstance(error, DataError | IntegrityError)


def _is_answering() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True
