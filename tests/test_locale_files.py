"""What `python -m tests.locale_files check` finds, on a package of three strings in two files."""

import pytest

from tests import locale_files

MODULE = """
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

label = _("Cart of %(shop)s")


def lines(count):
    return ngettext("%(count)s line", "%(count)s lines", count) % {"count": count}
"""
TEMPLATE = """
{% load i18n %}
<p>It's
  {% if a %}
      {% translate "Bring it back" %} {# not: translate "this" #}
  {% endif %}
"""
FRENCH = {
    "Cart of %(shop)s": "Panier de %(shop)s",
    "%(count)s line": ("%(count)s ligne", "%(count)s lignes"),
    "Bring it back": "Retrouver",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setattr(locale_files, "PACKAGE", tmp_path / "shop")
    monkeypatch.setattr(locale_files, "LANGUAGES", ("fr",))
    (tmp_path / "shop" / "templates").mkdir(parents=True)
    (tmp_path / "shop" / "labels.py").write_text(MODULE)
    (tmp_path / "shop" / "templates" / "page.html").write_text(TEMPLATE)
    locale_files.renew("fr")
    return tmp_path / "shop"


@pytest.fixture
def translated(package):
    for source, target in FRENCH.items():
        fill(source, target)
    locale_files.compile_one("fr")
    return package


def fill(source, target):
    """Translate one msgid in the .po, as a translator would with an editor."""
    path = locale_files.po_path("fr")
    text = path.read_text()
    if isinstance(target, tuple):
        for index, form in enumerate(target):
            text = text.replace(f'msgstr[{index}] ""', f'msgstr[{index}] "{form}"')
    else:
        text = text.replace(f'msgid "{source}"\nmsgstr ""', f'msgid "{source}"\nmsgstr "{target}"')
    path.write_text(text)


def found():
    return list(locale_files.problems("fr"))


def test_modules_and_templates_are_read(package):
    ids = [message.id for message in locale_files.entries(locale_files.stored("fr"))]

    assert ids == [("%(count)s line", "%(count)s lines"), "Bring it back", "Cart of %(shop)s"]


def test_a_complete_catalog_has_no_problems(translated):
    assert found() == []


def test_extracting_again_keeps_what_was_translated_and_changes_no_byte(translated):
    before = locale_files.po_path("fr").read_bytes()

    locale_files.renew("fr")

    assert locale_files.po_path("fr").read_bytes() == before


def test_a_text_without_a_translation_is_found(package):
    assert found() == [
        "('%(count)s line', '%(count)s lines') is not translated to fr",
        "'Bring it back' is not translated to fr",
        "'Cart of %(shop)s' is not translated to fr",
        "django.mo of fr is not what its .po says: compile",
    ]


def test_a_new_text_is_found_until_it_is_extracted(translated):
    with (translated / "labels.py").open("a") as module:
        module.write('\nmore = _("More")\n')
    before = found()

    locale_files.renew("fr")

    assert before == ["'More' is not in fr: extract, then translate it"]
    assert found() == ["'More' is not translated to fr"]


def test_a_text_that_is_gone_is_found_until_it_is_extracted(translated):
    (translated / "templates" / "page.html").write_text("")
    before = found()

    locale_files.renew("fr")
    locale_files.compile_one("fr")

    assert before == ["'Bring it back' in fr is used nowhere: extract"]
    assert found() == []


def test_a_placeholder_that_differs_is_found(translated):
    path = locale_files.po_path("fr")
    path.write_text(path.read_text().replace("Panier de %(shop)s", "Panier de %(boutique)s"))
    locale_files.compile_one("fr")

    (problem,) = found()

    assert problem.startswith("'Cart of %(shop)s' in fr: ")


def test_a_placeholder_that_is_left_out_is_found(translated):
    path = locale_files.po_path("fr")
    path.write_text(path.read_text().replace("%(count)s lignes", "%").replace("%(count)s ligne", "une ligne"))
    locale_files.compile_one("fr")

    assert found() == ["('%(count)s line', '%(count)s lines') in fr: count is not told"]


def test_a_fuzzy_entry_is_found(translated):
    path = locale_files.po_path("fr")
    path.write_text(path.read_text().replace('msgid "Bring', '#, fuzzy\nmsgid "Bring'))

    assert "'Bring it back' is fuzzy in fr" in found()


def test_a_stale_mo_is_found(translated):
    path = locale_files.po_path("fr")
    path.write_text(path.read_text().replace("Retrouver", "Reprendre"))

    assert found() == ["django.mo of fr is not what its .po says: compile"]


def test_a_missing_mo_is_found(translated):
    locale_files.mo_path("fr").unlink()

    assert found() == ["django.mo of fr is not what its .po says: compile"]
