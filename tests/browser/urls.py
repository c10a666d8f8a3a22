"""A shop of three pages as strict about content as one can be: nothing but files of its own, no inline anything."""

import json

from django.http import HttpResponse
from django.urls import include, path

from retarget_plugin.web import beacon

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'; frame-ancestors 'none'"
HEAD = """<!doctype html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script src="/retarget/retarget.js" data-currency="EUR" data-wording="2026-01" defer></script></head><body>"""
PRODUCT = """<main data-retarget-product='{"item_id": "LEN-90", "item_name": "90 mm macro", "price": 549.5}'>
<h1>90 mm macro</h1><form action="/basket/" data-retarget-event="add_to_cart"><input name="note" aria-label="Note">
<button>Add to basket</button></form><a href="/article/">How close is close?</a></main>"""
SENTENCES = "<p>At life size the depth of field is thinner than a coin.</p>" * 60
ARTICLE = f"""<article data-retarget-topic="macro"><h1>How close is close?</h1><button>Like</button>{SENTENCES}
<div data-retarget-form="guide"></div>{SENTENCES}</article>"""
BASKET = """<h1>Basket</h1><i data-retarget-event="begin_checkout"
 data-retarget-props='{"value": 549.5, "currency": "EUR", "items": [{"item_id": "LEN-90", "price": 549.5, "quantity": 1}]}'
></i>"""
FIELDS = ("email", "tel", "text", "password", "search", "number", "url")
CHECKOUT = (
    '<form action="/basket/" novalidate><h1>Checkout</h1>'
    + "".join(f'<input type="{kind}" name="{kind}" aria-label="{kind}">' for kind in FIELDS)
    + '<textarea name="remark" aria-label="remark"></textarea><p contenteditable id="gift">Gift</p><button>Pay</button></form>'
)
BROKEN = (
    "<main data-retarget-product='{not json'><i data-retarget-event='Bad Name!' data-retarget-props='['></i></main>"
)


#: What arrived at the beacon: (names of the cookies, body). The browser tells nobody of a request that outlived its page.
HEARD = []


def heard(request):
    HEARD.append((sorted(request.COOKIES), json.loads(request.body)))
    return beacon.beacon(request)


heard.csrf_exempt = True


def page(body: str, *, title: str):
    def view(request):
        language = request.GET.get("language", "en")
        head = HEAD.format(title=title, language=language, direction="rtl" if language == "ar" else "ltr")
        return HttpResponse(head + body, headers={"Content-Security-Policy": POLICY})

    return view


urlpatterns = [
    path("retarget/t", heard),
    path("retarget/", include("retarget_plugin.urls")),
    path("product/", page(PRODUCT, title="90 mm macro")),
    path("article/", page(ARTICLE, title="How close is close?")),
    path("basket/", page(BASKET, title="Basket")),
    path("checkout/", page(CHECKOUT, title="Checkout")),
    path("broken/", page(BROKEN, title="Broken")),
]
