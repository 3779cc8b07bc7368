"""The links in the header: every app names its own in its AppConfig."""

from contextlib import suppress
from dataclasses import dataclass

from django.apps import apps
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """One link for staff.

    An app shows it by `navigation = (NavItem(...),)` in its AppConfig.

    Attributes:
        url: Name of the page, such as `fleet:devices`.
        label: One word.
        order: Smaller stands further left.
    """

    url: str
    label: StrOrPromise
    order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link as the page shows it.

    Attributes:
        path: Where it goes.
        label: One word.
        current: Whether the page shown lies under it.
    """

    path: str
    label: StrOrPromise
    current: bool


def links(path: str) -> list[Link]:
    """Collect the links of all apps, in order; the one that names `path` best is the current."""
    items = [item for app in apps.get_app_configs() for item in getattr(app, "navigation", ())]
    found = []
    for item in sorted(items, key=lambda item: item.order):
        # The app may be installed while its page is not there yet: no dead link.
        with suppress(NoReverseMatch):
            found.append((reverse(item.url), item.label))
    above = [target for target, _label in found if target != "/" and path.startswith(target)]
    best = max(above, key=len, default=path)
    return [Link(path=target, label=label, current=target == best) for target, label in found]


def context(request: HttpRequest) -> dict[str, object]:
    """Give every template the links, if a member of staff looks at it."""
    user = getattr(request, "user", None)
    return {"navigation": links(request.path) if user and user.is_authenticated else []}
