"""GraphQL over HTTP: one for storefronts, open to those with a token; one for staff, by session and permission."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import graphene
from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from graphene_django.views import GraphQLView
from graphql import ExecutionResult, GraphQLError, OperationType, execute, get_operation_ast

from retarget_plugin.web import origins
from retarget_plugin.web.origins import Origin

from . import body, browsers, documents, errors, permissions
from .errors import RequestCode, RequestRefused
from .limits import Limits
from .schema import schema, staff_schema


class LimitedGraphQLView(GraphQLView):
    """POST of one JSON object with one bounded document.

    Of the project's GRAPHENE settings nothing applies: schema and middleware there are for its own view. No GraphiQL
    (it loads scripts from elsewhere), no batches, no GET, and no cookie but the visitor's.
    """

    methods = "POST"
    #: Longer replies are refused: a list inside a list may be longer than its cost foresaw.
    max_reply_bytes = 100_000

    def __init__(self, schema: graphene.Schema | None = None, middleware: Sequence[Any] = (), **options: Any) -> None:
        super().__init__(schema=schema or self.schema, middleware=middleware, **options)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Never super(): the library sets a csrftoken cookie on every reply, takes GET, and shows what resolvers raise.
        try:
            self.admit(request)
            content, status = self.get_response(request, self.parse_body(request))
            if len(content) > self.max_reply_bytes:
                message = f"The reply is longer than {self.max_reply_bytes} bytes: ask for fewer rows or fields."
                raise RequestRefused(400, RequestCode.REPLY_TOO_LARGE, message)
        except RequestRefused as refusal:
            content, status = self.json_encode(request, {"errors": [refusal.formatted()]}), refusal.status
        response = HttpResponse(content, status=status, content_type="application/json")
        response["Cache-Control"] = "no-store"
        if status == 405:
            response["Allow"] = self.methods
        return response

    def admit(self, request: HttpRequest) -> None:
        """Whether the request may be read at all. Raises RequestRefused."""
        if request.method != "POST":
            raise RequestRefused(405, RequestCode.METHOD_NOT_ALLOWED, "POST a JSON object.")
        # A form or a text can be posted from any page without asking; JSON cannot.
        if request.content_type != "application/json":
            raise RequestRefused(415, RequestCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")

    def parse_body(self, request: HttpRequest) -> body.Body:
        limit = Limits.configured().max_bytes
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdecimal():
            raise RequestRefused(411, RequestCode.BAD_REQUEST, "The body's length is missing.")
        # The header first, so that a long body is not even read.
        if len(length) > 9 or int(length) > limit or len(request.body) > limit:
            raise RequestRefused(413, RequestCode.REQUEST_TOO_LARGE, f"At most {limit} bytes in one request.")
        return body.read(request.body)

    @staticmethod
    def get_graphql_params(
        request: HttpRequest, data: body.Body
    ) -> tuple[str, dict[str, Any] | None, str | None, None]:
        """From the body only: the address would get around its limits, and into logs."""
        return data.query, data.variables, data.operation_name, None

    def execute_graphql_request(
        self,
        request: HttpRequest,
        data: body.Body,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        show_graphiql: bool = False,
    ) -> ExecutionResult:
        graphql_schema = self.schema.graphql_schema
        try:
            document = documents.prepare(
                graphql_schema, query, Limits.configured(), allows_introspection=django_settings.DEBUG
            )
        except documents.InvalidDocument as invalid:
            return ExecutionResult(data=None, errors=invalid.errors)
        operation = get_operation_ast(document, operation_name)
        if operation is not None and operation.operation is OperationType.SUBSCRIPTION:
            return ExecutionResult(data=None, errors=[GraphQLError("There are no subscriptions here.", operation)])
        result = execute(
            graphql_schema,
            document,
            root_value=self.get_root_value(request),
            context_value=self.get_context(request),
            variable_values=variables,
            operation_name=operation_name,
            middleware=self.get_middleware(request) or None,
        )
        # Resolvers are not asynchronous, so this is no promise of a result.
        return cast(ExecutionResult, result)

    def json_encode(self, request: HttpRequest, d: Any, pretty: bool = False) -> str:
        return json.dumps(d, separators=(",", ":"))

    @staticmethod
    def format_error(error: Exception) -> dict[str, Any]:
        return errors.format_error(error)


# What may be read and done hangs on the token in the body, and on the visitor's cookie, which is not sent from another site
# (SameSite). Pages of the same site but another origin are refused by their Origin, which every browser sends with a POST,
# and JSON cannot be posted to another origin without a preflight. Of ALLOWED_ORIGINS no cookie is looked at.
@method_decorator([csrf_exempt, login_not_required], name="dispatch")
class RetargetGraphQLView(LimitedGraphQLView):
    """For storefronts, on this origin and those of ALLOWED_ORIGINS. They are answered without credentials."""

    methods = "POST, OPTIONS"
    schema = schema

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        origin = request.headers.get("Origin", "")
        is_welcome = bool(origin) and origins.of(request) is not Origin.FOREIGN
        if request.method == "OPTIONS" and is_welcome:
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = "POST"
            response["Access-Control-Allow-Headers"] = "Content-Type"
            response["Access-Control-Max-Age"] = str(origins.PREFLIGHT_SECONDS)
        else:
            response = super().dispatch(request, *args, **kwargs)
            browsers.settle(request, response)
        if is_welcome:
            response["Access-Control-Allow-Origin"] = origin
        patch_vary_headers(response, ["Origin"])
        return response

    def admit(self, request: HttpRequest) -> None:
        if origins.of(request) is Origin.FOREIGN:
            raise RequestRefused(403, RequestCode.FORBIDDEN_ORIGIN, "This origin may not call the API.")
        super().admit(request)


# Protected here too, for projects without the CSRF middleware. Anonymous callers get an error, not a log-in page.
@method_decorator([csrf_protect, login_not_required], name="dispatch")
class RetargetStaffGraphQLView(LimitedGraphQLView):
    """For staff in the browser session they use the admin with. Every field asks for its own permissions besides."""

    schema = staff_schema

    def admit(self, request: HttpRequest) -> None:
        super().admit(request)
        if not permissions.is_staff(getattr(request, "user", None)):
            raise RequestRefused(403, RequestCode.PERMISSION_DENIED, "Log in as staff.")


storefront_view = RetargetGraphQLView.as_view()
staff_view = RetargetStaffGraphQLView.as_view()
