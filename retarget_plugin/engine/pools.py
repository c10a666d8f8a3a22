"""An owner's own codes: taken from a file into a pool, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from django.db.models.functions import Upper

from retarget_plugin.domain import coupons as rules
from retarget_plugin.domain.coupons import Fault
from retarget_plugin.models import CouponCode, CouponPool

#: Codes written in one statement, and refused lines that are told one by one.
AT_ONCE, TOLD = 2_000, 50


@dataclass
class Intake:
    """What became of a file. `refused`: (line, code, why) of the first TOLD lines that are no new code; `faults` counts all."""

    taken: int = 0
    refused: list[tuple[int, str, Fault]] = field(default_factory=list)
    faults: Counter[Fault] = field(default_factory=Counter)

    def refuse(self, line: int, code: str, fault: Fault) -> None:
        self.faults[fault] += 1
        if len(self.refused) < TOLD:
            self.refused.append((line, code, fault))


def fill(pool: CouponPool, data: bytes) -> Intake:
    """Add the codes of a CSV file to `pool`. A code that any pool of the shop has is refused; the same file twice adds nothing.

    Raises ValueError("not_a_text") or ValueError("too_long") as `domain.coupons.read_list` does; then nothing is added.
    """
    intake = Intake()
    lines = iter(list(rules.read_list(data)))
    while some := list(islice(lines, AT_ONCE)):
        _add(pool, some, intake)
    intake.refused.sort()
    return intake


def _add(pool: CouponPool, lines: Iterable[tuple[int, str, Fault | None]], intake: Intake) -> None:
    fresh = []
    for line, code, fault in lines:
        if fault is None:
            fresh.append((line, code))
        else:
            intake.refuse(line, code, fault)
    known = set(_known(pool, [code for _line, code in fresh]))
    rows = []
    for line, code in fresh:
        if code.upper() in known:
            intake.refuse(line, code, Fault.KNOWN)
        else:
            rows.append(CouponCode(shop_id=pool.shop_id, pool=pool, code=code))
    before = CouponCode.objects.filter(pool=pool).count()
    # Somebody may be adding the same file: whoever comes second adds what is left.
    CouponCode.objects.bulk_create(rows, ignore_conflicts=True)
    intake.taken += CouponCode.objects.filter(pool=pool).count() - before


def _known(pool: CouponPool, codes: list[str]) -> Iterator[str]:
    capitals = [code.upper() for code in codes]
    rows = CouponCode.objects.annotate(capitals=Upper("code")).filter(shop=pool.shop_id, capitals__in=capitals)
    yield from rows.values_list("capitals", flat=True)
