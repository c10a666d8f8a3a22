"""Every shipped mail as its readers see it: at their computer and on a phone, in light and in the dark, in their language.

The pictures are kept where RETARGET_TEST_PICTURES says, to be looked at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from retarget_plugin.domain import content, samples
from tests.domain.test_shipped import DEFINITIONS, FLOWS, HOLE, MAILS, compile_shipped, sample
from tests.promises import length

pytestmark = pytest.mark.browser

CHECK = (Path(__file__).parent / "mail.js").read_text("utf-8")
WIDTHS, SCHEMES = (390, 600), ("light", "dark")
#: One of each layout, where there is little time.
FEW = [
    ("abandoned_checkout", "reminder", "fr"),
    ("unpaid_order", "pay", "es"),
    ("price_drop", "drop", "en"),
    ("win_back", "news", "fr"),
]
EMPTY_GREETING = re.compile(r"^(Hello|Hi|Dear|Bonjour|Bonsoir|Hola)(,\s*|\s+)[,:]", re.MULTILINE)
PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="600" height="600">
<rect width="600" height="600" fill="#c9d6cf"/><circle cx="300" cy="280" r="150" fill="#5f7f6f"/></svg>"""


def with_pictures(value, *, number=0):
    """`value`, a context, where everything that can has a picture."""
    if isinstance(value, list):
        return [with_pictures(item, number=at) for at, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    shown = {name: with_pictures(item) for name, item in value.items()}
    return shown | {"image_url": f"{samples.URL}/media/{number}.svg"} if "image_url" in shown else shown


@pytest.fixture(scope="module")
def compiled():
    return compile_shipped()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the pictures go."""
    given = os.environ.get("RETARGET_TEST_PICTURES")
    path = Path(given) if given else tmp_path_factory.mktemp("pictures")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module", params=[(width, scheme) for width in WIDTHS for scheme in SCHEMES])
def screen(chromium, request):
    """A tab of a mail program: (page, what its pictures are called after)."""
    width, scheme = request.param
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=True
    )
    context.route("**/*", lambda route: route.fulfill(body=PICTURE, content_type="image/svg+xml"))
    yield context.new_page(), f"{width}-{scheme}"
    context.close()


@pytest.mark.parametrize(("flow", "key", "language"), length(FEW, MAILS))
def test_a_mail_can_be_read_by_everybody(compiled, folder, screen, flow, key, language):
    page, look = screen
    context = sample(flow, key, compiled, language)
    # A shop has pictures or it has none; a mail is whole either way.
    shown = context if language == "es" else with_pictures(context)

    rendered = content.render_email(compiled[flow][key], language=language, context=shown)
    page.set_content(rendered.html, wait_until="load")
    page.screenshot(path=folder / f"{flow}-{key}-{language}-{look}.png", full_page=True)
    words = page.inner_text("body")

    assert page.evaluate(CHECK) == []
    assert samples.FIRST_NAME in words
    for said in (rendered.subject, words, rendered.text):
        assert "{{" not in said
        assert "{%" not in said
        assert not HOLE.search(said)
        assert not EMPTY_GREETING.search(said)
    assert "  " not in rendered.subject
    assert not re.search(r"\S {2,}\S", rendered.text)
    assert not re.search(r"\S {2,}\S", words)


def test_every_layout_is_among_the_few():
    layouts = {FLOWS[flow]["messages"][key]["layout"] for flow, key, _language in FEW}

    assert layouts == {message["layout"] for flow in DEFINITIONS for message in FLOWS[flow]["messages"].values()
                       if "layout" in message}  # fmt: skip
