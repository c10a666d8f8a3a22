"""`retarget_flows`: flows go out as files and come back, and nothing is loaded while anything is wrong."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.models import Flow, FlowVersion
from retarget_plugin.testing import build_shop

from .test_runs import Journey, send

pytestmark = pytest.mark.django_db

LAUNCH = """
slug: launch
name:
  en: Launch
  fr: Lancement
trigger:
  on: custom_event
  name: launched
stage: site
steps:
  - key: hello
    after: 0m
    deadline: 1d
    send: {channel: email, message: hello}
messages:
  hello:
    channel: email
    layout: letter
    en:
      subject: It is here
      body: Have a look.
"""


def run(*arguments):
    out = StringIO()
    call_command("retarget_flows", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "launch.yaml"
    path.write_text(LAUNCH, "utf-8")
    return path


def test_everything_goes_out_and_comes_back_unchanged(shop, tmp_path):
    slugs = sorted(shop.flows.values_list("slug", flat=True))

    written = run("dump", "--to", str(tmp_path)).splitlines()
    told = run("load", str(tmp_path)).splitlines()

    assert written == [str(tmp_path / f"{slug}.yaml") for slug in slugs]
    assert told == [f"{slug}: unchanged." for slug in slugs]
    assert set(FlowVersion.objects.values_list("number", flat=True)) == {1}


def test_one_flow_is_printed_and_can_be_piped_back(shop, monkeypatch):
    text = run("dump", "abandoned-cart", "abandoned-checkout")

    monkeypatch.setattr("sys.stdin", StringIO(text))
    assert run("load", "-").splitlines() == ["abandoned-cart: unchanged.", "abandoned-checkout: unchanged."]


def test_a_new_flow_is_off_and_only_what_differs_is_published(shop, file):
    assert run("load", str(file), "--dry-run") == "launch: would be new, and off.\n"
    assert not Flow.objects.filter(slug="launch").exists()

    assert run("load", str(file)) == "launch: new, and off.\n"
    assert run("load", str(file)) == "launch: unchanged.\n"
    file.write_text(LAUNCH.replace("1d", "2d").replace("It is here", "Here it is"), "utf-8")
    assert run("load", str(file)) == "launch: published; step hello changed; message hello/en changed.\n"

    flow = Flow.objects.get(slug="launch")
    assert (flow.name, flow.state, flow.version.number, flow.trigger) == ("Launch", "off", 2, "custom_event")


def test_people_inside_go_where_the_operator_says(shop, clock, tmp_path):
    journey = Journey(shop, clock)
    journey.publish(send(after="1d", deadline="2d"))
    journey.enter(journey.person())
    path = tmp_path / "journey.yaml"
    path.write_text(run("dump", "journey").replace("after: 1d", "after: 20h"), "utf-8")

    told = json.loads(run("load", str(path), "--json", "--dry-run"))
    words = run("load", str(path), "--inside", "move")

    assert told["flows"] == [{"flow": "journey", "is_new": False, "differences": ["step mail changed"], "inside": 1}]
    assert words == "journey: published; step mail changed. 1 people inside move to the new one.\n"
    assert shop.runs.get(flow__slug="journey").version.number == 2


def test_check_asks_no_database_and_names_file_flow_and_step(db, file, tmp_path):
    broken = LAUNCH.replace("launch\n", "broken\n").replace("deadline: 1d", "deadline: 0h")
    (tmp_path / "broken.yaml").write_text(broken, "utf-8")
    (tmp_path / "empty.yaml").write_text("slug: [", "utf-8")
    liquid = LAUNCH.replace("launch\n", "liquid\n").replace("Have a look.", '"{{ shop.name"')
    (tmp_path / "liquid.yaml").write_text(liquid, "utf-8")

    with CaptureQueriesContext(connection) as queries:
        assert run("check", str(file)) == "1 flows, nothing wrong.\n"
        with pytest.raises(CommandError) as caught:
            run("check", str(tmp_path))

    lines = str(caught.value).splitlines()
    assert len(queries) == 0
    assert caught.value.returncode == 1
    assert lines[0].startswith(f"{tmp_path}/empty.yaml: Line 1, column 8:")
    assert lines[1] == (
        f"{tmp_path}/broken.yaml: broken: Step 'hello': its deadline comes before it is due, so it could never be sent."
    )
    assert lines[2].startswith(f"{tmp_path}/liquid.yaml: liquid: hello/en/body")
    assert "line 1, column" in lines[2]
    assert lines[3] == "Problems: 3. Nothing was loaded."


def test_check_says_also_what_is_unwise_and_lets_it_pass(file):
    file.write_text(LAUNCH.replace("Have a look.", '"Our store {{ store.name }} has it."'), "utf-8")

    lines = run("check", str(file)).splitlines()
    told = json.loads(run("check", str(file), "--json"))

    unasked = "Message hello: speaks of store, which not every reader has; say so: requires store_near."
    assert f"To mend, {file}: launch: {unasked}" in lines
    assert lines[-1] == "1 flows, nothing wrong."
    assert f"{file}: launch: {unasked}" in told["advice"]
    assert (told["flows"], told["problems"]) == (["launch"], [])


def test_nothing_is_loaded_while_anything_is_wrong(shop, file, tmp_path):
    (tmp_path / "broken.yaml").write_text(
        LAUNCH.replace("launch\n", "broken\n").replace("custom_event", "moon"), "utf-8"
    )

    with pytest.raises(CommandError, match="broken: trigger: 'moon' is none of"):
        run("load", str(tmp_path))
    with pytest.raises(CommandError, match="the flow 'launch' is in more than one place"):
        run("load", str(file), str(file))

    assert not Flow.objects.filter(slug__in=["launch", "broken"]).exists()


def test_a_flow_is_turned_on_and_off_and_says_what_stands_in_the_way(shop, file):
    run("load", str(file))
    shop.postal_address = ""
    shop.save()

    with pytest.raises(CommandError, match="launch is not ready: Fill in the shop's postal address"):
        run("enable", "launch")
    assert Flow.objects.get(slug="launch").state == "off"
    shop.postal_address = "1 rue Mercière, Lyon"
    shop.save()
    assert run("enable", "launch") == "launch is on.\n"
    assert Flow.objects.get(slug="launch").state == "on"
    assert run("disable", "launch") == "launch is off.\n"
    assert Flow.objects.get(slug="launch").state == "off"


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_the_shop_would_not_honor_is_told_by_file_and_step_and_nothing_is_loaded(
    shop, host, monkeypatch, file, tmp_path, dry
):
    monkeypatch.setattr(host, "coupon_problems", lambda spec: ["This shop gives at most 3 %."])
    with_coupon = run("dump", "abandoned-cart").replace("enabled: false", "enabled: true")
    (tmp_path / "cart.yaml").write_text(with_coupon, "utf-8")

    with pytest.raises(CommandError) as caught:
        run("load", str(tmp_path), *dry)

    assert str(caught.value).splitlines() == [
        f"{tmp_path}/cart.yaml: abandoned-cart: Step 'coupon': This shop gives at most 3 %.",
        "Problems: 1. Nothing was loaded.",
    ]
    assert not Flow.objects.filter(slug="launch").exists()
    assert set(FlowVersion.objects.values_list("number", flat=True)) == {1}


def test_a_step_that_is_over_before_a_cart_counts_as_left_stands_in_the_way(shop):
    shop.abandoned_after_minutes = 120
    shop.save()

    with pytest.raises(CommandError) as caught:
        run("enable", "abandoned-cart")

    assert str(caught.value) == (
        "abandoned-cart is not ready: Step 'sms': its deadline is over before a cart counts as left behind, "
        "which takes 120 minutes."
    )


def test_several_shops_need_a_word_which_and_unknown_flows_are_told(shop, file):
    with pytest.raises(CommandError, match="has no flow 'moon'"):
        run("dump", "moon")
    outlet = build_shop(scope="outlet")

    with pytest.raises(CommandError, match="There are several shops; say which with --shop"):
        run("load", str(file))
    run("load", str(file), "--shop", str(outlet.pk))

    assert Flow.objects.get(slug="launch").shop == outlet


def test_the_schema_is_printed_for_editors(db):
    assert json.loads(run("schema"))["title"] == "A flow of retarget_plugin"
