"""The two endpoints as a shop routes them, and a shop's own schema on our view."""

from django.urls import path

from retarget_plugin.api import endpoints
from retarget_plugin.api.view import RetargetGraphQLView
from tests.api.host_schema import schema

urlpatterns = [
    path("graphql/", endpoints.storefront, name="graphql"),
    path("graphql/staff/", endpoints.staff, name="graphql_staff"),
    path("host/", RetargetGraphQLView.as_view(schema=schema)),
]
