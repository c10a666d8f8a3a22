"""A scanner that is a whole browser: it opens every address, runs scripts, prefetches, scrolls, waits. Nothing changes."""

import re

import pytest

from retarget_plugin.models import Click
from tests.web import addresses

pytestmark = [pytest.mark.browser, pytest.mark.promise, pytest.mark.django_db(transaction=True)]

#: What mail scanners have been seen to run in a page they opened.
SCRIPT = """async () => {
  const links = [...document.querySelectorAll("a[href], link[href]")].map(node => node.href);
  for (const href of links.filter(href => new URL(href).origin === location.origin)) {
    await fetch(href, {redirect: "manual"});
    const hint = document.createElement("link");
    Object.assign(hint, {rel: "prefetch", href});
    document.head.append(hint);
  }
  for (const form of document.forms) await fetch(form.action, {method: "GET", redirect: "manual"});
  for (const node of document.querySelectorAll("a, button, input")) node.dispatchEvent(new MouseEvent("mouseover"));
  window.scrollTo(0, document.body.scrollHeight);
  window.dispatchEvent(new Event("pagehide"));
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_browser_that_runs_scripts_changes_nothing_and_is_marked(
    chromium, live_server, cart, message, link, products, promise
):
    places = addresses.public(cart, message, link)
    link.destination = live_server.url + places["recover"][0]
    link.save()
    before, context = addresses.rows(), chromium.new_context()
    # Nothing beyond this machine is asked, wherever a link leads.
    context.route(lambda url: not url.startswith(live_server.url), lambda route: route.abort())
    statuses, opened = set(), 0
    context.on("response", lambda response: statuses.add(response.status))

    for url in (url for urls in places.values() for url in urls):
        tab = context.new_page()
        try:
            tab.goto(live_server.url + url, wait_until="load")
        except Exception as error:
            # No page: it is saved to a file, or there is nothing in it.
            assert re.search("ERR_ABORTED|Download is starting|ERR_HTTP_RESPONSE_CODE", str(error)), (url, error)
            continue
        tab.evaluate(SCRIPT)
        opened += 1
    context.close()

    changed = [name for name, rows in addresses.rows().items() if rows != before[name]]
    clicks = set(Click.objects.values_list("is_human", flat=True))
    promise(
        "X6",
        run=f"Chromium, scripts on, opens {opened} addresses, fetches and prefetches what they link to",
        figure=f"kinds of rows changed: {', '.join(changed) or 0}, clicks counted as human: {int(True in clicks)}",
        bar="0 and 0",
        holds=changed == [] and clicks == {False} and opened >= 12 and max(statuses) < 500,
    )
