"""What the endpoints take and answer as HTTP: one method, one type, no cookie, no origin that is not known."""

import json

import pytest
from django.test import Client

from retarget_plugin.api.view import RetargetGraphQLView
from tests.api.conftest import CART, RESTORE, ask, post
from tests.shop.models import Basket

TYPENAME = json.dumps({"query": "{ __typename }"})
JSON = "application/json"
BOTH = pytest.mark.parametrize("path", ["/graphql/", "/graphql/staff/"])


@pytest.fixture
def staff_client(superuser):
    client = Client()
    client.force_login(superuser)
    return client


# --- method and type --------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_post_is_answered(staff_client, path, method):
    response = staff_client.generic(method, f"{path}?query={{__typename}}", TYPENAME, content_type=JSON)

    assert response.status_code == 405
    assert response["Allow"] == ("POST, OPTIONS" if path == "/graphql/" else "POST")
    assert b"data" not in response.content


@BOTH
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/html",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
        "application/json, text/plain",
    ],
)
def test_only_json_is_read(staff_client, path, content_type):
    response = staff_client.generic("POST", path, TYPENAME, content_type=content_type)

    assert response.status_code == 415
    assert response.json()["errors"][0]["extensions"] == {"code": "UNSUPPORTED_MEDIA_TYPE"}


@BOTH
@pytest.mark.parametrize(("levels", "status"), [(100, 200), (101, 400)])
def test_a_body_is_read_down_to_its_hundredth_level(staff_client, path, levels, status):
    lists = "[" * (levels - 2) + "]" * (levels - 2)
    body = f'{{"query": "{{ __typename }}", "variables": {{"a": {lists}}}}}'

    response = staff_client.generic("POST", path, body, content_type=JSON)

    assert response.status_code == status


@BOTH
def test_a_charset_is_no_other_type(staff_client, path):
    response = staff_client.generic("POST", path, TYPENAME, content_type="Application/JSON; charset=utf-8")

    assert response.status_code == 200
    assert set(response.json()) == {"data"}


@BOTH
def test_a_query_in_the_address_counts_for_nothing(staff_client, path):
    address = f"{path}?query={{nope}}&operationName=B&variables=x&pretty=1&raw=1"

    response = staff_client.post(address, TYPENAME, content_type=JSON)

    assert response.status_code == 200
    assert b"\n" not in response.content


def test_a_body_is_refused_by_its_announced_length_without_being_read(rf, db):
    class Unreadable:
        def read(self, *args):
            raise AssertionError("the body was read")

    request = rf.post("/graphql/", TYPENAME, content_type=JSON)
    request.META["CONTENT_LENGTH"] = "20001"
    request._stream = Unreadable()

    response = RetargetGraphQLView.as_view()(request)

    assert response.status_code == 413


@pytest.mark.parametrize(("size", "status"), [(20_000, 200), (20_001, 413)])
def test_a_body_may_have_twenty_thousand_bytes(client, size, status):
    response = client.post("/graphql/", TYPENAME.ljust(size), content_type=JSON)

    assert response.status_code == status


@pytest.mark.parametrize("length", ["", "-1", "abc", "1e3", "²"])
def test_a_body_without_a_length_is_refused(rf, length):
    request = rf.post("/graphql/", TYPENAME, content_type=JSON)
    request.META["CONTENT_LENGTH"] = length

    assert RetargetGraphQLView.as_view()(request).status_code == 411


@BOTH
def test_replies_are_kept_by_no_cache(staff_client, path):
    for query in ("{ __typename }", "{"):
        response = post(staff_client, query, path=path)

        assert response["Cache-Control"] == "no-store"
        assert response["Content-Type"] == "application/json"


def test_reading_sets_no_cookie(client, token):
    response = post(client, CART, {"token": token})

    assert response.status_code == 200
    assert response.cookies == {}


# --- foreign origins --------------------------------------------------------------------------------------------


FOREIGN = (
    "https://evil.example",
    "null",
    "http://testserver.evil.example",
    "http://testserver:8000",
    "http://evil.example/http://testserver",
    "https://shop.example.com.evil.example",
    "http://shop.example.com",
    "https://front.example:444",
    "https://FRONT.example",
    "https://a.front.example",
    "*",
)


@pytest.fixture
def front(settings):
    """An origin that the shop has allowed."""
    settings.RETARGET = {**settings.RETARGET, "ALLOWED_ORIGINS": ["https://front.example/"]}
    return "https://front.example"


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_origin_changes_and_reads_nothing(client, token, front, origin):
    for query in (RESTORE, CART):
        response = post(client, query, {"token": token}, origin=origin)

        assert response.status_code == 403
        assert response.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN_ORIGIN"}
        assert not any(name.startswith("Access-Control") for name in response.headers)
    assert Basket.objects.count() == 1
    assert client.cookies == {}


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_foreign_preflight_is_not_granted(client, front, origin):
    response = client.options("/graphql/", headers={"origin": origin, "access-control-request-method": "POST"})

    assert response.status_code == 403
    assert not any(name.startswith("Access-Control") for name in response.headers)
    assert "Origin" in response["Vary"].split(", ")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_simple_request_from_elsewhere_changes_nothing(client, token, content_type):
    body = json.dumps({"query": RESTORE, "variables": {"token": token}})

    statuses = {
        client.generic("POST", "/graphql/", body, content_type=content_type, headers=headers).status_code
        for headers in ({}, {"origin": "https://evil.example"})
    }

    assert statuses == {403, 415}
    assert Basket.objects.count() == 1


def test_an_allowed_origin_is_answered_without_credentials(client, token, front):
    preflight = client.options("/graphql/", headers={"origin": front, "access-control-request-method": "POST"})
    response = post(client, CART, {"token": token}, origin=front)

    assert preflight.status_code == 204
    assert preflight["Access-Control-Allow-Methods"] == "POST"
    assert preflight["Access-Control-Allow-Headers"] == "Content-Type"
    for answer in (preflight, response):
        assert answer["Access-Control-Allow-Origin"] == front
        assert "Origin" in answer["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer
    assert response.json()["data"]["retargetCart"]["quantity"] == 3


@pytest.mark.parametrize("origin", ["http://testserver", "https://shop.example.com"])
def test_the_site_itself_may_call(client, token, origin):
    reply = ask(client, RESTORE, {"token": token}, origin=origin)

    assert reply["data"]["retargetRestoreCart"]["errors"] == []


def test_an_error_for_an_allowed_origin_can_be_read_there(client, front):
    response = client.post("/graphql/", "[]", content_type=JSON, headers={"origin": front})

    assert response.status_code == 400
    assert response["Access-Control-Allow-Origin"] == front


# --- in somebody else's project ---------------------------------------------------------------------------------


def test_endpoints_answer_for_themselves_where_every_page_asks_for_a_log_in(client, settings, token):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert ask(client, CART, {"token": token})["data"]["retargetCart"]["quantity"] == 3
    assert post(client, "{ __typename }", path="/graphql/staff/").status_code == 403


def test_the_projects_own_graphene_settings_do_not_apply(rf, settings):
    settings.GRAPHENE = {"SCHEMA": "nowhere.schema", "MIDDLEWARE": ["nowhere.Middleware"]}

    response = RetargetGraphQLView.as_view()(rf.post("/graphql/", TYPENAME, content_type=JSON))

    assert json.loads(response.content) == {"data": {"__typename": "RetargetQuery"}}


def test_no_csrf_token_is_asked_for_where_no_cookie_gives_a_right(token):
    client = Client(enforce_csrf_checks=True)

    assert ask(client, RESTORE, {"token": token})["data"]["retargetRestoreCart"]["errors"] == []


def test_a_session_adds_nothing_to_what_a_token_shows(superuser, token):
    client = Client()
    anonymous = post(client, CART, {"token": token}).content
    client.force_login(superuser)

    assert post(client, CART, {"token": token}).content == anonymous
    assert post(client, "{ retargetMessages { totalCount } }").status_code == 400


# --- errors -----------------------------------------------------------------------------------------------------


def test_what_a_resolver_raised_is_logged_and_never_shown(client, caplog):
    response = post(client, '{ broken greeting(name: "Lou") }', path="/host/")

    assert response.status_code == 200
    assert response.json() == {
        "errors": [{"message": "Internal error.", "extensions": {"code": "INTERNAL"}, "path": ["broken"]}],
        "data": {"broken": None, "greeting": "Hello Lou"},
    }
    assert [record.name for record in caplog.records if "SELECT secret" in (record.exc_text or "")] == [
        "retarget_plugin.api"
    ]


def test_what_a_resolver_says_on_purpose_is_shown(client):
    reply = ask(client, "{ refused }", path="/host/")

    assert reply["errors"][0]["message"] == "Only on Sundays."


@pytest.mark.parametrize(
    "query",
    [
        '{ retargetCar(token: "") { total } }',
        '{ retargetCart(toke: "") { currency } }',
        '{ retargetCart(token: "") { curency } }',
        "query($t: Strin) { retargetCart(token: $t) { currency } }",
        '{ retargetCart(token: "") { ... on RetargetCar { currency } } }',
        'mutation { retargetRestoreCart(input: {toke: ""}) { url } }',
    ],
)
def test_errors_suggest_no_names_outside_debug(client, settings, query):
    quiet = post(client, query).content
    settings.DEBUG = True
    talkative = post(client, query).content

    assert b"Did you mean" not in quiet
    assert b"Did you mean" in talkative


def test_errors_suggest_names_while_developing(client, settings):
    settings.DEBUG = True

    reply = ask(client, '{ retargetCar(token: "") { currency } }', status=400)

    assert "Did you mean 'retargetCart'?" in reply["errors"][0]["message"]


def test_misspelled_variables_suggest_no_names(client):
    query = "mutation($input: RetargetRestoreCartInput!) { retargetRestoreCart(input: $input) { url } }"

    reply = ask(client, query, {"input": {"toke": "a"}}, status=400)

    assert reply["errors"] != []
    assert "Did you mean" not in str(reply)
