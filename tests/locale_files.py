"""The package's message catalogs: `python -m tests.locale_files extract | compile | check`.

extract   find every msgid in the package and put it into each language's django.po; translations are kept
compile   write each django.mo
check     fail when a msgid is missing, left over, untranslated or fuzzy, when a placeholder differs, or when a
          .mo does not say what its .po says; what ./run lint calls
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import django
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

PACKAGE = Path(__file__).parent.parent / "retarget_plugin"
LANGUAGES = ("es", "fr")
PLACEHOLDER = re.compile(r"%\((\w+)\)")
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# No version of a tool and no true date: a catalog is dated by its commit, and the rest would be noise in every diff.
HEADER = r"""# {name} texts of retarget_plugin. Written by: python -m tests.locale_files extract
msgid ""
msgstr ""
"Project-Id-Version: retarget_plugin\n"
"POT-Creation-Date: 2025-01-01 00:00+0000\n"
"PO-Revision-Date: 2025-01-01 00:00+0000\n"
"Language: {code}\n"
"Plural-Forms: {plural_forms}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""


def po_path(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po"


def mo_path(language: str) -> Path:
    return po_path(language).with_suffix(".mo")


def used() -> Catalog:
    """Every msgid of the package's modules and templates, without translations."""
    catalog = Catalog()
    for path, source in sources():
        name = path.relative_to(PACKAGE.parent).as_posix()
        found = extract("python", BytesIO(source.encode()), KEYWORDS, ("Translators:",), {"encoding": "utf-8"}, True)
        for _line, message, comments, context in found:
            catalog.add(message, None, [(name, None)], auto_comments=comments, context=context)
    return catalog


def sources() -> Iterator[tuple[Path, str]]:
    """(file, its text as Python) for everything that may ask for a translation."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "migrations" not in path.parts:
            yield path, path.read_text()
    for path in sorted((PACKAGE / "templates").rglob("*.html")):
        calls = templatize(path.read_text(), origin=str(path))
        # Indentation means something in Python and nothing in a template.
        yield path, "\n".join(line.lstrip() for line in calls.splitlines())


def stored(language: str) -> Catalog:
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def renew(language: str) -> None:
    """Write the language's .po: what the package uses, with the translations there are."""
    known = stored(language)
    catalog = Catalog(locale=language, fuzzy=False)
    for message in entries(used()):
        old = known.get(message.id, message.context)
        catalog.add(
            message.id,
            old.string if old and not old.fuzzy else None,
            message.locations,
            auto_comments=message.auto_comments,
            context=message.context,
        )
    body = BytesIO()
    write_po(body, catalog, width=120, omit_header=True, sort_output=True, include_lineno=False)
    name = Locale.parse(language).english_name
    header = HEADER.format(name=name, code=language, plural_forms=catalog.plural_forms)
    po_path(language).parent.mkdir(parents=True, exist_ok=True)
    po_path(language).write_text(header + body.getvalue().decode())


def compile_one(language: str) -> None:
    with mo_path(language).open("wb") as file:
        write_mo(file, stored(language))


def problems(language: str) -> Iterator[str]:
    """What is wrong with the language's files, one sentence each."""
    catalog, wanted = stored(language), used()
    keys = {key(message) for message in entries(catalog)}
    for message in entries(wanted):
        if key(message) not in keys:
            yield f"{message.id!r} is not in {language}: extract, then translate it"
    wanted_keys = {key(message) for message in entries(wanted)}
    for message in entries(catalog):
        if key(message) not in wanted_keys:
            yield f"{message.id!r} in {language} is used nowhere: extract"
        if not all(texts(message)):
            yield f"{message.id!r} is not translated to {language}"
        if message.fuzzy:
            yield f"{message.id!r} is fuzzy in {language}"
        errors = [str(error) for error in message.check(catalog)]
        if all(texts(message)) and not errors:
            errors = [f"{name} is not told" for name in lacking(message)]
        for error in errors:
            yield f"{message.id!r} in {language}: {error}"
    translated = {key(message): texts(message) for message in entries(catalog) if all(texts(message))}
    if not mo_path(language).exists() or spoken(language) != translated:
        yield f"{mo_path(language).name} of {language} is not what its .po says: compile"


def spoken(language: str) -> dict[tuple[str, str], tuple[str, ...]]:
    with mo_path(language).open("rb") as file:
        return {key(message): texts(message) for message in entries(read_mo(file)) if all(texts(message))}


def entries(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def key(message: Message) -> tuple[str, str]:
    singular = message.id[0] if isinstance(message.id, list | tuple) else message.id
    return message.context or "", singular


def texts(message: Message) -> tuple[str, ...]:
    string = message.string
    return tuple(string) if isinstance(string, list | tuple) else (string,)


def lacking(message: Message) -> list[str]:
    """Placeholders that the translation leaves out. A singular may do without its number, and so only the last form counts."""
    original = message.id[-1] if isinstance(message.id, list | tuple) else message.id
    return sorted(set(PLACEHOLDER.findall(original)) - set(PLACEHOLDER.findall(texts(message)[-1])))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.locale_files", description=__doc__.splitlines()[0])
    parser.add_argument("word", choices=["extract", "compile", "check"])
    word = parser.parse_args().word
    if not settings.configured:
        # The template lexer asks whether it is debugging.
        settings.configure()
        django.setup()
    found = []
    for language in LANGUAGES:
        match word:
            case "extract":
                renew(language)
            case "compile":
                compile_one(language)
            case "check":
                found += problems(language)
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
