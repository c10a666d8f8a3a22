"""Coupon: whose code it is and what became of it. CouponPool: a list of codes the owner made, filled from a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.validators import FileExtensionValidator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from retarget_plugin.domain import calendars
from retarget_plugin.domain import coupons as rules
from retarget_plugin.domain.coupons import CouponKind, CouponState, Fault
from retarget_plugin.engine import pools
from retarget_plugin.models import Coupon, CouponPool

from . import badges, people
from .facts import EMPTY, STYLES, FactAdmin, moment
from .money import amount

TONES: dict[str, str] = {
    CouponState.RESERVED: badges.BUSY,
    CouponState.MINTED: badges.BUSY,
    CouponState.SENT: badges.WARN,
    CouponState.REDEEMED: badges.GOOD,
    CouponState.EXPIRED: badges.QUIET,
    CouponState.TAKEN_BACK: badges.QUIET,
}
FAULTS: dict[Fault, Any] = {
    Fault.TOO_LONG: gettext_lazy("longer than 60 characters"),
    Fault.NOT_A_CODE: gettext_lazy("not letters and digits"),
    Fault.TWICE: gettext_lazy("twice in the file"),
    Fault.KNOWN: gettext_lazy("known already"),
}
PROBLEMS = {
    "too_long": gettext_lazy("The file has more than 100,000 lines or 8 MB."),
    "not_a_text": gettext_lazy("This is no text file. Save the list as CSV."),
}


def worth(row: Coupon | CouponPool, currency: str) -> str:
    """Such as "5 %" or "€10.00"."""
    if row.kind == CouponKind.AMOUNT:
        return amount(row.value, currency)
    return _("%(value)s %%") % {"value": f"{row.value.normalize():f}"}


class CouponAdmin(FactAdmin):
    """A code is money: lists show its end, the whole of it is for who may see personal data."""

    list_display = ("code_end", "shop", "flow", "contact_masked", "state_badge", "worth", "cost_shown", "ends")
    list_filter = ("shop", "state", "flow", ("expires_at", admin.DateFieldListFilter))
    list_select_related = ("shop", "flow", "contact")
    search_fields = ("code__iexact",)
    search_help_text = gettext_lazy("The code, in full.")
    readonly_fields = ("code_end", "state_badge", "worth", "cost_shown", "contact_link", "message_link", "order_link")
    shown: tuple[Any, ...] = (
        (
            None,
            {"fields": ("shop", "flow", "state_badge", "contact_link", "worth", "minimum", "cost_shown", "pool")},
        ),
        (gettext_lazy("Where it was"), {"fields": ("message_link", "order_link")}),
        (gettext_lazy("When"), {"fields": ("created_at", "expires_at", "redeemed_at", "withdrawn_at")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Coupon | None = None) -> Any:
        code = "code" if people.may_see(request) else "code_end"
        return ((None, {"fields": (code,)}), *self.shown)

    def details(self, request: HttpRequest, row: Coupon) -> dict[str, Any]:
        if people.may_see(request):
            people.record_view(request, row)
        return {}

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """By index: a code that was taken back is nobody's."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        is_standing = ~Q(code="") & ~Q(state=CouponState.TAKEN_BACK)
        return (found.filter(is_standing) if search_term.strip() else found), may_repeat

    ends = moment("expires_at", gettext_lazy("ends"))

    @admin.display(description=gettext_lazy("code"))
    def code_end(self, row: Coupon) -> str:
        return f"…{row.code[-4:]}" if row.code else EMPTY

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, row: Coupon) -> SafeString:
        return badges.badge(row.get_state_display(), TONES.get(row.state, badges.QUIET))

    @admin.display(description=gettext_lazy("discount"))
    def worth(self, row: Coupon) -> str:
        return worth(row, row.currency)

    @admin.display(description=gettext_lazy("discount given"))
    def cost_shown(self, row: Coupon) -> str:
        return amount(row.cost, row.currency) if row.state == CouponState.REDEEMED else EMPTY

    @admin.display(description=gettext_lazy("contact"))
    def contact_masked(self, row: Coupon) -> str:
        return row.contact.masked

    @admin.display(description=gettext_lazy("contact"))
    def contact_link(self, row: Coupon) -> SafeString | str:
        return self.link(row.contact)

    @admin.display(description=gettext_lazy("message"))
    def message_link(self, row: Coupon) -> SafeString | str:
        return self.link(row.message)

    @admin.display(description=gettext_lazy("order"))
    def order_link(self, row: Coupon) -> SafeString | str:
        return self.link(row.order)


class CouponPoolForm(forms.ModelForm):
    """The terms of the codes, once; and a file of codes, as often as there are more."""

    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("As in your shop system: until midnight of the shop's time zone."),
    )
    file = forms.FileField(
        label=gettext_lazy("File with codes"),
        required=False,
        validators=[FileExtensionValidator(["csv", "txt"])],
        help_text=gettext_lazy("CSV, one code a line, in the first column. Each is given once."),
    )

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file is None:
            return b""
        try:
            if file.size > rules.MOST_BYTES:
                raise ValueError("too_long")
            data: bytes = file.read()
            for _line in rules.read_list(data):
                pass
        except ValueError as error:
            raise ValidationError(PROBLEMS[str(error)]) from error
        return data

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        value = values.get("value")
        is_percent = values.get("kind") == CouponKind.PERCENT
        if value is not None and (value <= 0 or (is_percent and value > 100)):
            self.add_error("value", _("It must be more than 0, and a percentage at most 100."))
        return values

    def save(self, commit: bool = True) -> Any:
        if last_day := self.cleaned_data.get("last_day"):
            zone = calendars.zone(self.instance.shop.time_zone)
            self.instance.expires_at = datetime.combine(last_day + timedelta(days=1), time(), zone)
        return super().save(commit)


class CouponPoolAdmin(admin.ModelAdmin):
    """For shop systems that make no codes themselves. The terms are fixed: somebody may hold a code already."""

    form = CouponPoolForm
    terms = ("kind", "value", "minimum")
    list_display = ("name", "shop", "worth", "last_day_shown", "left", "given")
    list_filter = ("shop",)
    list_select_related = ("shop",)
    ordering = ("shop__name", "name", "pk")

    class Media:
        css = {"all": [STYLES]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[CouponPool]:
        free = Count("codes", filter=Q(codes__given_at=None))
        return super().get_queryset(request).annotate(codes_left=free, codes_count=Count("codes"))

    def get_fieldsets(self, request: HttpRequest, obj: CouponPool | None = None) -> Any:
        day = "last_day_shown" if obj else "last_day"
        help_text = _("Codes are given by flows whose coupon takes off just as much. They must all be worth this.")
        return (
            (None, {"fields": ("shop", "name")}),
            (_("What each code is worth"), {"fields": (*self.terms, day), "description": help_text}),
            (_("Codes"), {"fields": ("file", *(("left", "given") if obj else ()))}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: CouponPool | None = None) -> tuple[str, ...]:
        return ("shop", *self.terms, "last_day_shown", "left", "given") if obj else ()

    def get_form(self, request: HttpRequest, obj: CouponPool | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None:
            form.base_fields.pop("last_day", None)
        return form

    def save_model(self, request: HttpRequest, obj: CouponPool, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)
        if data := form.cleaned_data.get("file"):
            self._tell(request, pools.fill(obj, data))

    def get_deleted_objects(self, objs: Sequence[Any] | QuerySet[Any], request: HttpRequest) -> Any:
        """Without a list of a hundred thousand codes. A list of which somebody holds a code stays."""
        held = [str(pool) for pool in objs if pool.coupons.exists()]
        denied = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return [str(pool) for pool in objs], {str(self.opts.verbose_name_plural): len(objs)}, denied, held

    def _tell(self, request: HttpRequest, intake: pools.Intake) -> None:
        added = ngettext("%(count)d code was added.", "%(count)d codes were added.", intake.taken)
        messages.success(request, added % {"count": intake.taken})
        if not intake.refused:
            return
        lines = ", ".join(f"{line} ({FAULTS[fault]})" for line, _code, fault in intake.refused)
        refused, count = _("%(count)d lines were left out. Line %(lines)s"), intake.faults.total()
        more = "…" if count > len(intake.refused) else ""
        messages.warning(request, refused % {"count": count, "lines": lines} + more)

    @admin.display(description=gettext_lazy("discount"))
    def worth(self, row: CouponPool) -> str:
        return worth(row, row.shop.currency)

    @admin.display(description=gettext_lazy("Last day"))
    def last_day_shown(self, row: CouponPool) -> str:
        zone = calendars.zone(row.shop.time_zone)
        return date_format(rules.last_day(row.expires_at, zone, given_at=row.created_at))

    @admin.display(description=gettext_lazy("Left"))
    def left(self, row: Any) -> int:
        return row.codes_left

    @admin.display(description=gettext_lazy("Given"))
    def given(self, row: Any) -> int:
        return row.codes_count - row.codes_left
