"""What stands after `migrate`, and what `check` says of a wrong setting."""

import pytest
from django.core.management import call_command

from retarget_plugin import checks
from retarget_plugin.engine import flows, shops
from retarget_plugin.models import Flow, Shop
from retarget_plugin.testing import Clock

GOOD = {"HOSTS": {"default": {"BACKEND": "tests.shop.retarget.Shop"}}, "PUBLIC_URL": "https://shop.example.com"}


@pytest.mark.django_db
def test_migrate_leaves_a_shop_with_every_shipped_flow_off():
    found = shops.ensure(now=Clock().now)

    assert [shop.host for shop in found] == ["default"]
    assert Shop.objects.count() == 1
    shipped = [name.replace("_", "-") for name in flows.SHIPPED]
    assert len(shipped) == 13
    assert dict(Flow.objects.values_list("slug", "state")) == dict.fromkeys(shipped, "off")


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


def calling(url, *listed):
    gateway = {"BACKEND": "retarget_plugin.channels.sms.http.HttpGateway", "OPTIONS": {"url": url}}
    saleor = {"BACKEND": "retarget_plugin.hosts.saleor.SaleorHost", "OPTIONS": {"api_url": url}}
    return {"HOSTS": {"default": saleor}, "SMS": {"default": gateway}, "PRIVATE_HOSTS": listed}


@pytest.mark.parametrize(
    ("setting", "identifiers"),
    [
        (calling("https://sms.example/"), []),
        (calling("http://sms.example/"), ["W006", "W006"]),
        (calling("http://sms.internal/", "sms.internal"), []),
        (calling("http://10.1.2.3/", "10.1.0.0/16"), []),
        (calling("https://10.1.2.3/", "10.2.0.0/16"), ["E014", "E014"]),
        (calling("http://169.254.169.254/"), ["E014", "E014"]),
        (calling("http://0x7f000001/"), ["E014", "E014"]),
        (calling("http://localhost/"), ["E014", "E014"]),
        (calling("https://[::1]/"), ["E014", "E014"]),
        ({"SMS": {"default": {"OPTIONS": {"base_url": "https://10.1.2.3"}}}}, ["E014"]),
        # Said by the gateway and the host themselves; a storefront is linked to, and not called.
        (calling("nonsense"), []),
        ({"HOSTS": {"default": {"OPTIONS": {"base_url": "http://127.0.0.1:8000"}}}}, []),
        *(
            (calling("https://sms.example/", entry), ["E015"])
            for entry in ("http://10.1.2.3", "10.1.2.3:80", "", "*", 1)
        ),
        ({"PRIVATE_HOSTS": 1}, []),
        ({"SMS": {"default": "nonsense", "other": {"OPTIONS": None}}}, []),
        ([], []),
    ],
)
def test_an_address_that_will_not_be_called_or_can_be_overheard_is_named(settings, setting, identifiers):
    settings.RETARGET = setting

    assert [found.id for found in checks.check_addresses()] == [f"retarget_plugin.{each}" for each in identifiers]


def test_the_hint_is_the_line_to_add(settings):
    settings.RETARGET = calling("https://10.1.2.3/")

    found = checks.check_addresses()[0]

    assert (
        found.msg == 'RETARGET["HOSTS"]["default"]["OPTIONS"]["api_url"] is no public address: it will not be called.'
    )
    assert found.hint == (
        """If the machine is in a network of your own, add it: RETARGET["PRIVATE_HOSTS"] = ('10.1.2.3',)."""
    )


@pytest.mark.parametrize("url", ["https://user:secret@sms.example/", "http://[::1", "ftp://sms.example/"])
def test_an_address_that_cannot_be_called_is_named_without_its_password(settings, url):
    settings.RETARGET = calling(url)

    found = checks.check_backends()

    assert {problem.id for problem in found} == {"retarget_plugin.E004", "retarget_plugin.E005"}
    assert "secret" not in str(found)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_sqlite_with_its_own_options_is_warned_about(settings):
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}}

    (found,) = checks.check_database()

    assert found.id == "retarget_plugin.W002"
    assert "IMMEDIATE" in found.hint


def test_deployment_asks_for_https(settings):
    settings.RETARGET = {**GOOD, "PUBLIC_URL": "http://shop.example.com"}

    assert [problem.id for problem in checks.check_deployment()] == ["retarget_plugin.W004"]
