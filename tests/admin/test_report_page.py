"""The report on screen and as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone, translation

from retarget_plugin.models import Contact, Experiment, FlowRun, Shop
from retarget_plugin.testing import build_item

from . import rows
from .conftest import page, queries, read


@pytest.fixture
def shop():
    return rows.shop(name="Lumen Camera", time_zone="UTC")


@pytest.fixture
def sold(shop):
    """Yesterday: three carts abandoned, one messaged, one order of 1,234.50 recovered."""
    yesterday = timezone.now() - timedelta(days=1)
    flow = rows.flow(shop, name="Checkout", state="on")
    sent = rows.message(
        rows.run(flow, cart=rows.cart(shop, abandoned_at=yesterday), entered_at=yesterday), clicked_at=yesterday
    )
    rows.cart(shop, abandoned_at=yesterday)
    rows.cart(shop, abandoned_at=yesterday)
    rows.order(shop, total=Decimal("1234.50"), placed_at=yesterday, credited_message=sent)
    return sent


def drawing_of(text):
    return re.search(r"<svg viewBox.*?</svg>", text, re.S)[0]


def download(client, shop, table, days=7):
    response = client.get(page("shop_report_file", shop.pk, table), {"days": days})
    text = b"".join(response.streaming_content).decode("utf-8")
    return response, list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_figures_are_large_and_what_was_caused_comes_first(owner, shop, sold):
    text = read(owner, page("shop_report_of", shop.pk))

    headlines = re.findall(r"<dt>([^<]+)</dt><dd><strong>([^<]+)</strong>", text)
    assert headlines == [
        ("Orders caused", "Not yet known"),
        ("Revenue caused", "Not yet known"),
        ("Abandoned carts", "3"),
        ("Messaged", "1"),
        ("Recovered orders", "1"),
        ("Recovered revenue", "€1,234.50"),
    ]
    assert "33% of the abandoned carts" in text
    assert "75% of all carts; 0% of these were ordered after all" in text


def test_the_drawing_has_a_group_and_the_table_a_row_for_every_day(owner, shop, sold):
    text = read(owner, page("shop_report_of", shop.pk) + "?days=30")

    drawing = drawing_of(text)
    assert len(re.findall(r'<rect class="rt-bar-abandoned"', drawing)) == 30
    assert "3 abandoned, 1 messaged, 1 recovered" in drawing
    assert 'role="img"' in drawing
    figures = (
        '3<span class="rt-quiet rt-part">75%</span>',
        "1",
        '0<span class="rt-quiet rt-part">0%</span>',
        "1",
        "€1,234.50",
    )
    assert text.count("".join(f'<td class="rt-number">{figure}</td>' for figure in figures)) == 1
    assert len(re.findall(r'<tr><th scope="row">\d', text)) == 30


def test_the_drawing_is_the_same_in_a_language_that_writes_commas(owner, shop, sold):
    with translation.override("fr"):
        text = owner.get(page("shop_report_of", shop.pk), headers={"accept-language": "fr"}).content.decode()

    numbers = re.findall(r'\b(?:x|y|width|height)="([^"]+)"', drawing_of(text))
    assert len(numbers) == 4 * 4 * 30
    assert [number for number in numbers if not re.fullmatch(r"\d+\.\d\d", number)] == []
    assert "1\u202f234,50\xa0€" in text


def test_every_flow_has_its_line(owner, shop, sold):
    rows.flow(shop, name="Quiet")

    text = read(owner, page("shop_report_of", shop.pk))

    found = re.findall(
        r'">(\w+)</a>(?:\s?<span class="rt-badge rt-badge-quiet">Off</span>)?\s?</th>((?:<td class="rt-number">[^<]+</td>)+)',
        text,
    )
    lines = [(name, re.findall(r">([^<]+)<", cells)) for name, cells in found]
    assert lines == [
        ("Checkout", ["1", "1", "1", "1", "€1,234.50", "€0.00", "–"]),
        ("Quiet", ["0", "0", "0", "0", "€0.00", "€0.00", "–"]),
    ]


def experiment(flow, *, treated, held_out):
    """People who entered ten days ago: (how many, how many ordered) of each arm."""
    began_at = timezone.now() - timedelta(days=10)
    drawn = Experiment.objects.create(
        flow=flow, number=1, weights={"holdout": 20.0, "treated": 80.0}, began_at=began_at, read_at=began_at
    )
    for arm, (people, orders) in {"treated": treated, "holdout": held_out}.items():
        contacts = Contact.objects.bulk_create(
            Contact(shop=flow.shop, created_at=began_at) for _person in range(people)
        )
        FlowRun.objects.bulk_create(
            FlowRun(
                shop=flow.shop, flow=flow, version=flow.version, contact=contact, experiment=drawn, arm=arm,
                subject="", anchored_at=began_at, entered_at=began_at, state="finished",
            )
            for contact in contacts
        )  # fmt: skip
        for contact in contacts[:orders]:
            rows.order(flow.shop, contact=contact, placed_at=began_at + timedelta(hours=1), total=Decimal(50))


def test_what_was_caused_stands_beside_what_was_recovered(owner, shop, sold):
    shop.margin_percent = 40
    shop.save()
    experiment(sold.run.flow, treated=(400, 160), held_out=(100, 6))

    text = read(owner, page("shop_report_of", shop.pk))

    headlines = re.findall(r"<dt>([^<]+)</dt><dd><strong>([^<]+)</strong><span[^>]*>([^<]*)<", text)
    assert headlines[:2] == [
        ("Orders caused", "136", "between 72 and 182"),
        ("Revenue caused", "€6,800.00", "between €4,161.38 and €9,438.62"),
    ]
    assert headlines[-1] == ("Recovered revenue", "€1,234.50", "€493.80 of it margin, after discounts of €0.00")
    assert '<td class="rt-number">72 to 182</td>' in text
    assert (
        "<td>with messages / held out</td>"
        '<td class="rt-number">400 / 100</td><td class="rt-number">0 / 0</td><td class="rt-number">40.0 / 6.0</td>'
        '<td class="rt-number">18.0 to 45.5</td>'
        '<td class="rt-words">Known: between 72 and 182 orders would not have been placed without it.</td>'
    ) in text


def test_until_it_is_known_the_report_says_how_much_is_missing(owner, shop, sold):
    experiment(sold.run.flow, treated=(80, 16), held_out=(20, 1))

    text = read(owner, page("shop_report_of", shop.pk))

    assert re.search(
        r"Not yet known\. About [\d,]+ more people have to enter, [\d,]+ days at today&#x27;s pace\.", text
    )
    assert '<td class="rt-number">not yet known</td>' in text


def test_another_currency_is_told_apart(owner, shop, sold):
    rows.order(
        shop, total=Decimal("10"), currency="USD", placed_at=timezone.now() - timedelta(hours=1), credited_message=sold
    )

    text = read(owner, page("shop_report_of", shop.pk))

    assert "1 of the recovered orders was placed in another currency: $10.00, not added to the revenue." in text


@pytest.mark.parametrize(
    ("asked", "days"), [("7", 7), ("30", 30), ("90", 90), ("", 30), ("1000000", 30), ("-1", 30), ("x", 30)]
)
def test_only_the_offered_periods_are_reckoned(owner, shop, asked, days):
    response = owner.get(page("shop_report_of", shop.pk), {"days": asked})

    assert len(response.context["overview"].days) == days


def test_another_shop_is_chosen(owner, shop, sold):
    other = rows.shop(name="Zweite")

    first = owner.get(page("shop_report"))
    second = owner.get(page("shop_report"), {"shop": other.pk, "days": 7})

    assert (first.context["shop"], second.context["shop"]) == (shop, other)
    assert f'<option value="{other.pk}" selected>Zweite</option>' in second.content.decode()


@pytest.mark.parametrize("asked", ["999999", "x", "1 OR 1=1"])
def test_a_shop_that_does_not_exist_falls_back_to_the_first(owner, shop, asked):
    assert owner.get(page("shop_report"), {"shop": asked}).context["shop"] == shop


def test_the_report_of_a_missing_shop_is_not_found(owner, shop):
    missing = page("shop_report_of", shop.pk + 999)

    assert owner.get(missing).status_code == 404
    assert owner.get(page("shop_report_file", shop.pk + 999, "days")).status_code == 404
    assert owner.get(page("shop_report_file", shop.pk, "people")).status_code == 404


def test_an_empty_period_says_what_to_do_next(owner, shop):
    rows.flow(shop, name="Checkout")

    text = read(owner, page("shop_report_of", shop.pk))

    assert "Nothing happened in this period yet." in text
    assert "Turn on a flow." in text
    assert "come back here after 60 minutes." in text
    assert "<svg viewBox" not in text


def test_without_a_shop_the_report_asks_for_one(owner):
    Shop.objects.all().delete()

    assert "There is no shop yet." in read(owner, page("shop_report"))


def test_the_report_is_one_click_away(owner, shop):
    report = page("shop_report")

    assert f'href="{report}"' in read(owner, "/admin/retarget_plugin/")
    assert f'href="{report}"' in read(owner, page("shop_changelist"))
    assert f'href="{page("shop_report_of", shop.pk)}"' in read(owner, page("shop_changelist"))
    assert f'href="{page("shop_report_of", shop.pk)}"' in read(owner, page("shop_change", shop.pk))


def test_who_may_not_see_shops_is_not_led_to_the_report(shop, staff):
    assert page("shop_report") not in read(staff("view_cart"), "/admin/retarget_plugin/")


def test_the_number_of_queries_does_not_grow(owner, shop, sold):
    url = page("shop_report_of", shop.pk)
    read(owner, url)

    few = queries(owner, url)
    for number in range(20):
        moment = timezone.now() - timedelta(days=number)
        run = rows.run(rows.flow(shop), cart=rows.cart(shop, abandoned_at=moment), entered_at=moment)
        rows.order(shop, placed_at=moment, credited_message=rows.message(run))

    assert queries(owner, url) == few


# -- files ------------------------------------------------------------------------------------------------------------


def test_the_days_are_downloaded(owner, shop, sold):
    response, lines = download(owner, shop, "days")

    yesterday = (timezone.now() - timedelta(days=1)).date().isoformat()
    assert lines[0] == [
        "Day",
        "Abandoned carts",
        "Messaged",
        "Recovered orders",
        "Recovered revenue",
        "Currency",
        "Ordered after all",
        "Bought at once",
        "Abandonment rate",
        "Recovery rate",
    ]
    assert len(lines) == 1 + 7
    assert [yesterday, "3", "1", "1", "1234.50", "EUR", "0", "1", "0.75", "0.0"] in lines
    assert re.fullmatch(
        rf'attachment; filename="report-{shop.pk}-days-\d{{4}}-\d\d-\d\d-\d{{4}}-\d\d-\d\d\.csv"',
        response["Content-Disposition"],
    )
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "no-store" in response["Cache-Control"]


def test_the_products_left_behind_are_shown_and_downloaded(owner, shop, sold):
    lens = build_item(product_id="lens-1", title="=<b>Macro</b> lens").to_data()
    yesterday = timezone.now() - timedelta(days=1)
    cart = rows.cart(shop, abandoned_at=yesterday, items=[lens], state="ordered", ordered_at=timezone.now())
    rows.cart(shop, abandoned_at=yesterday, items=[lens])
    rows.order(shop, placed_at=yesterday, items=[lens])
    rows.order(shop, placed_at=timezone.now(), cart=cart, items=[lens], credited_message=sold)

    text = read(owner, page("shop_report_of", shop.pk))
    _response, lines = download(owner, shop, "products")

    cells = "".join(f'<td class="rt-number">{figure}</td>' for figure in (2, "67%", 0, 1, "50%", 1))
    assert f'<th scope="row">=&lt;b&gt;Macro&lt;/b&gt; lens</th>{cells}' in text
    assert lines == [
        [
            "Product",
            "Id in the shop",
            "Abandoned carts",
            "Messaged",
            "Recovered orders",
            "Ordered after all",
            "Bought at once",
            "Abandonment rate",
            "Recovery rate",
        ],
        ["'=<b>Macro</b> lens", "lens-1", "2", "0", "1", "1", "1", "0.6667", "0.5"],
    ]


def test_a_file_that_there_is_not_is_not_found(owner, shop):
    assert owner.get(page("shop_report_file", shop.pk, "secrets")).status_code == 404


def test_names_that_are_formulas_are_downloaded_as_text(owner, shop, sold):
    shop.name = "@SUM(1+1)*cmd|' /C calc'!A0"
    shop.save()
    flow = sold.run.flow
    flow.name = '=HYPERLINK("https://evil.example","x")'
    flow.save()

    _response, lines = download(owner, shop, "flows")

    assert lines[0] == [
        "Shop",
        "Flow",
        "Entered",
        "Sent",
        "Clicked",
        "Recovered orders",
        "Recovered revenue",
        "Currency",
        "Discounts",
        "Orders caused",
        "at least",
        "at most",
    ]
    assert lines[1] == [
        "'@SUM(1+1)*cmd|' /C calc'!A0",
        '\'=HYPERLINK("https://evil.example","x")',
        "1",
        "1",
        "1",
        "1",
        "1234.50",
        "EUR",
        "0.00",
        "",
        "",
        "",
    ]
