"""Who may read what on the staff schema. Whatever is not written down is denied."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

import graphene

from .errors import ApiError, RequestCode

Resolver = Callable[..., Any]


def is_staff(user: Any) -> bool:
    """True for an active member of staff; False for a missing user, such as in a project without sessions."""
    return bool(user is not None and user.is_authenticated and user.is_active and user.is_staff)


def is_allowed(user: Any, permissions: Collection[str]) -> bool:
    """True when `user` is staff and holds every one of `permissions`. An empty list denies, superusers too."""
    return bool(permissions) and is_staff(user) and all(user.has_perm(permission) for permission in permissions)


class StaffField(graphene.Field):
    """A field for staff who hold all of `permissions` ("app_label.codename"); for everybody else it is an error."""

    def __init__(self, type_: Any, *, permissions: Collection[str] = (), **options: Any) -> None:
        super().__init__(type_, **options)
        self.permissions = tuple(permissions)

    def wrap_resolve(self, parent_resolver: Resolver) -> Resolver:
        resolver: Resolver = super().wrap_resolve(parent_resolver)

        @wraps(resolver)
        def guarded(root: Any, info: Any, **arguments: Any) -> Any:
            if not is_allowed(getattr(info.context, "user", None), self.permissions):
                raise ApiError("You do not have the permission to read this.", RequestCode.PERMISSION_DENIED.value)
            return resolver(root, info, **arguments)

        return guarded
