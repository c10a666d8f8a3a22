"""What stands after `migrate`, and what `check` says of a wrong setting."""

import pytest
from django.core.management import call_command

from retarget_plugin import checks
from retarget_plugin.engine import shops
from retarget_plugin.models import Flow, Shop
from retarget_plugin.testing import Clock

GOOD = {"HOSTS": {"default": {"BACKEND": "tests.shop.retarget.Shop"}}, "PUBLIC_URL": "https://shop.example.com"}


@pytest.mark.django_db
def test_migrate_leaves_a_shop_with_both_flows_off():
    found = shops.ensure(now=Clock().now)

    assert [shop.host for shop in found] == ["default"]
    assert Shop.objects.count() == 1
    assert dict(Flow.objects.values_list("slug", "state")) == {"abandoned-checkout": "off", "abandoned-cart": "off"}


@pytest.mark.django_db(transaction=True)
def test_migrate_itself_does_it_and_changes_nothing_the_owner_changed():
    Shop.objects.all().delete()
    call_command("migrate", verbosity=0)
    Shop.objects.update(name="Lumen")
    Flow.objects.update(state="on")

    call_command("migrate", verbosity=0)

    assert Shop.objects.get().name == "Lumen"
    assert set(Flow.objects.values_list("state", flat=True)) == {"on"}


@pytest.mark.parametrize(
    ("setting", "identifier", "said"),
    [
        ([], "retarget_plugin.E001", "must be a dict"),
        ({**GOOD, "PUBLIK_URL": ""}, "retarget_plugin.E002", "unknown key 'PUBLIK_URL'"),
        ({**GOOD, "BATCH_SIZE": "many"}, "retarget_plugin.E003", "is a str; it must be a int"),
        ({**GOOD, "BATCH_SIZE": True}, "retarget_plugin.E003", "is a bool"),
        ({**GOOD, "PUBLIC_URL": "shop.example"}, "retarget_plugin.E006", "must be an origin"),
        ({**GOOD, "PUBLIC_URL": "javascript://x"}, "retarget_plugin.E006", "must be an origin"),
        ({**GOOD, "RUNNER": "cron"}, "retarget_plugin.E007", '"tick" or "celery"'),
    ],
)
def test_a_wrong_setting_is_named(settings, setting, identifier, said):
    settings.RETARGET = setting

    found = [problem for problem in checks.check_settings() if problem.id == identifier]

    assert len(found) == 1
    assert said in found[0].msg


def test_a_typing_error_is_answered_with_what_was_meant(settings):
    settings.RETARGET = {**GOOD, "PUBLIK_URL": ""}

    assert checks.check_settings()[0].hint == "Did you mean 'PUBLIC_URL'?"


@pytest.mark.parametrize(
    ("setting", "identifier"),
    [
        ({"HOSTS": {"default": {"BACKEND": "nowhere.Shop"}}}, "retarget_plugin.E004"),
        ({"HOSTS": {"default": {}}}, "retarget_plugin.E004"),
        ({**GOOD, "SMS": {"default": {"BACKEND": "nowhere.Gateway"}}}, "retarget_plugin.E005"),
        (
            {**GOOD, "SMS": {"default": {"BACKEND": "retarget_plugin.channels.sms.twilio.TwilioGateway"}}},
            "retarget_plugin.E005",
        ),
        ({}, "retarget_plugin.W001"),
    ],
)
def test_a_backend_that_cannot_work_is_named(settings, setting, identifier):
    settings.RETARGET = setting

    assert identifier in [problem.id for problem in checks.check_backends()]


def test_good_settings_are_silent(settings):
    settings.RETARGET = GOOD

    assert [*checks.check_settings(), *checks.check_backends()] == []


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_sqlite_with_its_own_options_is_warned_about(settings):
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}}

    (found,) = checks.check_database()

    assert found.id == "retarget_plugin.W002"
    assert "IMMEDIATE" in found.hint


def test_deployment_asks_for_https(settings):
    settings.RETARGET = {**GOOD, "PUBLIC_URL": "http://shop.example.com"}

    assert [problem.id for problem in checks.check_deployment()] == ["retarget_plugin.W004"]
