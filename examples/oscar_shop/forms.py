"""What a browser knows of a page: its forms, its links and its text. Read with the standard library."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form with the values a browser would send if nobody touched it."""

    action: str
    method: str
    id: str = ""
    values: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)


@dataclass
class Page:
    """`text` is what a reader sees, one line for each piece."""

    forms: list[Form] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    #: Scripts, styles and pictures: what a browser fetches without being asked.
    loads: list[str] = field(default_factory=list)
    text: str = ""

    def form(self, *, id: str = "", action: str = "", holding: str = "") -> Form | None:
        """The first form with this id, with `action` in its address, or with a field of this name."""
        for form in self.forms:
            if (id and form.id == id) or (action and action in form.action) or (holding and holding in form.names):
                return form
        return None


def read(html: str) -> Page:
    parser = _Reader()
    parser.feed(html)
    parser.close()
    parser.page.text = "\n".join(parser.pieces)
    return parser.page


class _Reader(HTMLParser):
    SILENT = {"script", "style", "head", "option"}

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.pieces: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._area = ""
        self._link: tuple[str, list[str]] | None = None
        self._silent = 0
        # (tag, text so far) of the error element being read; Oscar marks them with one of two classes.
        self._error: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if tag in self.SILENT:
            self._silent += 1
        if {"error-block", "alert-danger"} & set(classes) and self._error is None:
            self._error = (tag, [])
        if tag in ("script", "img", "link") and (given.get("src") or given.get("href")):
            self.page.loads.append(given.get("src") or given["href"])
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower(), given.get("id", ""))
            self.page.forms.append(self._form)
        elif tag == "a" and given.get("href"):
            self._link = (given["href"], [])
        elif self._form is not None and (given.get("name") or tag == "option"):
            self._field(tag, given)

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        values, name = self._form.values, given.get("name", "")
        if name:
            self._form.names.append(name)
        if tag == "input":
            kind = given.get("type", "text")
            if kind in ("checkbox", "radio"):
                if "checked" in given:
                    values[name] = given.get("value", "on")
            elif kind not in ("submit", "button", "image", "file"):
                values[name] = given.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in values):
            # A browser sends the first option of a list in which none is marked.
            values[self._select] = given.get("value", "")
        elif tag == "textarea":
            self._area = name
            values[name] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SILENT:
            self._silent -= 1
        if self._error is not None and tag == self._error[0]:
            self.page.errors.append(" ".join(self._error[1]))
            self._error = None
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""
        elif tag == "a" and self._link is not None:
            self.page.links.append((self._link[0], " ".join(self._link[1])))
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._area and self._form is not None:
            self._form.values[self._area] += data
            return
        words = " ".join(data.split())
        if not words or self._silent:
            return
        self.pieces.append(words)
        if self._link is not None:
            self._link[1].append(words)
        if self._error is not None:
            self._error[1].append(words)
