"""Reads about staff."""

import json
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django_stubs_ext import StrOrPromise

from holdfast.hub.config import OpenIdConfig
from holdfast.hub.moments import from_ms
from holdfast.hub.staff import central
from holdfast.hub.staff.models import Account, ApiToken, Entry, Origin
from holdfast.hub.staff.words import sentence

PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the audit trail for people.

    Attributes:
        seq: Its number.
        at: When.
        by: Who.
        text: What, in words.
        what: The same as an event name.
        why: The reason given, or empty.
        facts: Further facts, name and value.
        digest: Its digest.
    """

    seq: int
    at: datetime
    by: str
    text: StrOrPromise
    what: str
    why: str
    facts: tuple[tuple[str, str], ...]
    digest: str


def line_of(entry: Entry) -> Line:
    """Put an entry in words."""
    facts = json.loads(entry.facts)
    return Line(
        seq=entry.seq,
        at=from_ms(entry.at_ms),
        by=entry.by,
        text=sentence(entry.what, entry.subject),
        what=entry.what,
        why=entry.why,
        facts=tuple((name.replace("_", " "), _plain(value)) for name, value in facts.items()),
        digest=entry.digest,
    )


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    return str(value)


def trail_page(number: str | None) -> Page[Entry]:
    """Return one page of entries, newest first; a wrong number gives the nearest page."""
    return Paginator(Entry.objects.all(), PAGE).get_page(number)


def latest_lines(count: int) -> list[Line]:
    """Return the newest entries in words."""
    return [line_of(entry) for entry in Entry.objects.all()[:count]]


def tokens() -> QuerySet[ApiToken]:
    """Return all API tokens, those in use first."""
    return ApiToken.objects.order_by("revoked_ms", "-id")


def has_staff() -> bool:
    """Tell whether there is a local account yet: the first one is made by a set-up link."""
    return Account.objects.filter(origin=Origin.LOCAL).exists()


def can_log_in() -> bool:
    """Tell whether anybody can log in."""
    return has_staff() or central.is_set_up() or bool(settings.HUB.openid)


def providers() -> list[OpenIdConfig]:
    """Return the providers of OpenID Connect that hub.toml names."""
    return list(settings.HUB.openid)
