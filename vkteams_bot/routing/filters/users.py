"""Filters on the Django user to whom a person is linked. The runtime provides `django_user`, None without a link."""

from __future__ import annotations

from typing import Any

from vkteams_bot.exceptions import ConfigurationError
from vkteams_bot.routing.filters.base import BaseFilter


class IsLinked(BaseFilter):
    """The person is linked to an active Django user."""

    requires = ("django_user",)

    def __call__(self, event: Any, django_user: Any) -> bool:
        return django_user is not None and bool(django_user.is_active)


class IsStaff(BaseFilter):
    """The person is linked to an active Django user who is staff."""

    requires = ("django_user",)

    def __call__(self, event: Any, django_user: Any) -> bool:
        return django_user is not None and bool(django_user.is_active and django_user.is_staff)


class HasPerm(BaseFilter):
    """The linked Django user has all of these permissions, each as `app.codename`."""

    requires = ("django_user",)

    def __init__(self, *perms: str) -> None:
        if not perms or not all("." in perm for perm in perms):
            raise ConfigurationError("HasPerm needs permissions such as 'shop.view_order'")
        self.perms = perms

    async def __call__(self, event: Any, django_user: Any) -> bool:
        return django_user is not None and bool(await django_user.ahas_perms(self.perms))
