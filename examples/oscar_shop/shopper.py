"""A shopper with a browser's manners: cookies, redirects, forms and their CSRF tokens, over real HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

import requests

from . import forms
from .forms import Form, Page


class ShopperError(AssertionError):
    """A page did not answer as a shopper expects; the message names the page, its status and what it said."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a parcel goes. `line4` is the city; `country` is ISO 3166-1 alpha-2."""

    first_name: str = "Ana"
    last_name: str = "Martin"
    line1: str = "4 rue du Port"
    line4: str = "Lyon"
    postcode: str = "69002"
    country: str = "FR"
    phone_number: str = ""


@dataclass(frozen=True, kw_only=True)
class BasketLine:
    product_url: str
    title: str
    quantity: int


class Shopper:
    """One browser. `language` is what it asks for ("en", "fr", "es"); two shoppers share nothing.

    Methods that change pages return the Page they end on and remember its address in `url`.
    """

    def __init__(self, base_url: str, *, language: str = "en", timeout: float = 20.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.language = language
        self.timeout = timeout
        self.url = ""
        self.page = Page()
        self._session = requests.Session()
        self._session.headers.update({"Accept-Language": language, "User-Agent": "Mozilla/5.0 (scripted shopper)"})

    @property
    def cookies(self) -> dict[str, str]:
        return self._session.cookies.get_dict()

    def close(self) -> None:
        """Drop what is still connected."""
        self._session.close()

    # -- looking -----------------------------------------------------------------------------------------------------

    def visit(self, path: str) -> Page:
        """Open a page of the shop, or a link from a message; redirects are followed."""
        # A browser that types an address or opens a link in a mail sends no Referer.
        return self._take(self._session.get(self._absolute(path), timeout=self.timeout))

    def products(self) -> dict[str, str]:
        """Title -> path of every product on the front page."""
        self.visit(self._home())
        found = {title: path for path, title in self.page.links if re.search(r"/catalogue/(?!category/).+_\d+/$", path)}
        return {title: path for title, path in found.items() if title}

    def view(self, product: str) -> Page:
        """Open a product, named by its path or by the title on the front page."""
        return self.visit(product if product.startswith(("/", "http")) else self._find(product))

    def sign_up(self, *, email: str = "", phone: str = "", by_email: bool = False, by_sms: bool = False) -> Page:
        """Tick the boxes on the shop's own page and send it."""
        self.visit(self._home() + "stay-in-touch/")
        boxes = {name: "on" for name, ticked in (("by_email", by_email), ("by_sms", by_sms)) if ticked}
        self._send(self._form(id="stay_in_touch"), {"email": email, "phone": phone, **boxes})
        return self._expect("/stay-in-touch/thanks/")

    # -- the basket --------------------------------------------------------------------------------------------------

    def add_to_basket(self, product: str, quantity: int = 1) -> Page:
        self.view(product)
        self._send(self._form(id="add_to_basket_form"), {"quantity": str(quantity)})
        return self._expect("/catalogue/")

    def change_quantity(self, product: str, quantity: int) -> Page:
        """On the basket page; 0 removes the line. `product` is part of the title."""
        number = self._line_number(product)
        self._send(self._form(id="basket_formset"), {f"form-{number}-quantity": str(quantity)})
        return self._expect("/basket/")

    def basket(self) -> list[BasketLine]:
        """What the basket page shows."""
        self.visit(self._home() + "basket/")
        form = self.page.form(id="basket_formset")
        if form is None:
            return []
        found: dict[str, str] = {}
        for path, title in self.page.links:
            if title and re.search(r"/catalogue/(?!category/).+_\d+/$", path):
                found.setdefault(path, title)
        count = int(form.values["form-TOTAL_FORMS"])
        return [
            BasketLine(product_url=path, title=title, quantity=int(form.values[f"form-{number}-quantity"]))
            for number, (path, title) in enumerate(list(found.items())[:count])
        ]

    def basket_total(self) -> Decimal | None:
        """The order total as the basket page prints it; None for an empty basket."""
        self.visit(self._home() + "basket/")
        match = re.search(r"Order total\s+\D*([\d.,]+\d)", self.page.text)
        return Decimal(match[1].replace(",", "")) if match else None

    # -- the checkout ------------------------------------------------------------------------------------------------

    def start_checkout(self, email: str) -> Page:
        """Go to the checkout as a guest and leave an e-mail address: the first page that asks for one."""
        self.visit(self._home() + "checkout/")
        self._send(self._form(holding="username"), {"username": email, "options": "anonymous"})
        return self._expect("/checkout/shipping-address/")

    def complete_checkout(self, email: str, address: Address | None = None) -> str:
        """All pages from the e-mail to the confirmation; returns the order number."""
        self.start_checkout(email)
        self.give_address(address or Address())
        return self.place_order()

    def give_address(self, address: Address) -> Page:
        """The only shipping method, free delivery, is chosen by the shop itself."""
        self._send(self._form(holding="line1"), {name: str(value) for name, value in vars(address).items()})
        return self._expect("/checkout/payment-details/")

    def place_order(self) -> str:
        self.visit(self._home() + "checkout/preview/")
        self._send(self._form(id="place_order_form"), {})
        self._expect("/checkout/thank-you/")
        match = re.search(r"order number is\s+(\d+)", self.page.text) or re.search(r"\b(1\d{5,})\b", self.page.text)
        if match is None:
            raise self._error("shows no order number")
        return match[1]

    # -- pages behind a message --------------------------------------------------------------------------------------

    def press(self) -> Page:
        """Press the one button of the page, such as the one behind a link in a message."""
        return self._send(self._form(holding="csrfmiddlewaretoken"), {})

    def follow(self, text: str) -> Page:
        """Click the first link of the page that shows `text`."""
        for address, said in self.page.links:
            if text in said:
                return self.visit(urljoin(self.url, address))
        raise self._error(f"has no link {text!r}")

    def allow(self, choice: str) -> Page:
        """Tick one box on the plugin's page of choices, such as "grant:measurement", and save."""
        form = self._form(holding="shown")
        # The page tells of each box that it was shown, and what it does not tell of stays as it was.
        self._send(form, {"shown": choice, "on": choice, "was": "", "act": "save"})
        return self._expect("/retarget/preferences/")

    # -- manners -----------------------------------------------------------------------------------------------------

    def _home(self) -> str:
        return "/" if self.language == "en" else f"/{self.language}/"

    def _absolute(self, path: str) -> str:
        return urljoin(self.base_url + "/", path)

    def _find(self, title: str) -> str:
        products = self.products()
        for name, path in products.items():
            if title.lower() in name.lower():
                return path
        raise ShopperError(f"No product {title!r} on the front page, only: {', '.join(products)}")

    def _line_number(self, product: str) -> int:
        lines = self.basket()
        for number, line in enumerate(lines):
            if product.lower() in line.title.lower():
                return number
        raise ShopperError(
            f"No {product!r} in the basket, only: {', '.join(line.title for line in lines) or 'nothing'}"
        )

    def _form(self, *, id: str = "", holding: str = "") -> Form:
        form = self.page.form(id=id, holding=holding)
        if form is None:
            raise self._error(f"has no form {id!r}" if id else f"has no form with a field {holding!r}")
        return form

    def _send(self, form: Form, values: dict[str, str]) -> Page:
        here = self.url
        target = urljoin(here, form.action) if form.action else here
        # A form's own fields come along, its CSRF token among them; the Referer is what Django and Oscar look at.
        body = {**form.values, **values}
        return self._take(self._session.post(target, data=body, headers={"Referer": here}, timeout=self.timeout))

    def _take(self, response: requests.Response) -> Page:
        self.url = response.url
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        self.page = forms.read(response.text) if is_page else Page(text=response.text)
        if not response.ok:
            way = " -> ".join(step.url for step in [*response.history, response])
            raise ShopperError(f"{way} answered {response.status_code}: {self.page.text[:300]!r}")
        return self.page

    def _expect(self, path: str) -> Page:
        if path not in urlsplit(self.url).path:
            raise self._error(f"came where {path} was expected")
        return self.page

    def _error(self, what: str) -> ShopperError:
        said = "; ".join(self.page.errors) or self.page.text[:300]
        return ShopperError(f"{self.url} {what}. It says: {said!r}")
