"""How a device stands, as one word for lists and filters."""

from enum import StrEnum

from django.db.models import Case, CharField, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from holdfast.hub.fleet.models import Device, LastSeen, Offer
from holdfast.hub.moments import DAY_MS
from holdfast.updates.offers import ACTIVE, State

SILENT_MS = 2 * DAY_MS
"""A device that polls every few minutes and is not heard for so long is silent."""


class Standing(StrEnum):
    """How a device stands; the first that holds, in this order."""

    RETIRED = "retired"
    NEVER_SEEN = "never-seen"
    FAILED = "failed"
    REFUSED = "refused"
    SILENT = "silent"
    DEFERRED = "deferred"
    INSTALLED = "installed"
    UPDATING = "updating"
    CONFIRMED = "confirmed"
    IDLE = "idle"


WORDS: dict[str, StrOrPromise] = {
    Standing.RETIRED: _("retired"),
    Standing.NEVER_SEEN: _("never seen"),
    Standing.FAILED: _("update failed"),
    Standing.REFUSED: _("update refused"),
    Standing.SILENT: _("silent"),
    Standing.DEFERRED: _("put off by its owner"),
    Standing.INSTALLED: _("installed, not confirmed"),
    Standing.UPDATING: _("update offered"),
    Standing.CONFIRMED: _("confirmed"),
    Standing.IDLE: _("nothing offered"),
}
TONES = {
    Standing.NEVER_SEEN: "unknown",
    Standing.FAILED: "bad",
    Standing.REFUSED: "bad",
    Standing.SILENT: "attention",
    Standing.DEFERRED: "attention",
    Standing.CONFIRMED: "good",
}


def with_standing(devices: QuerySet[Device], *, now_ms: int, only: str = "") -> QuerySet[Device]:
    """Add `seen_ms`, `latest_state` and `standing` to devices, computed by the database.

    Args:
        devices: Which.
        now_ms: The present moment.
        only: Keep only those of this standing.
    """
    latest = Offer.objects.filter(device_id=OuterRef("pk")).order_by("-pk").values("state")[:1]
    seen = LastSeen.objects.filter(device_id=OuterRef("pk")).values("at_ms")[:1]
    rules = (
        (~Q(retired_ms=None), Standing.RETIRED),
        (Q(seen_ms=None), Standing.NEVER_SEEN),
        (Q(latest_state=State.FAILED), Standing.FAILED),
        (Q(latest_state=State.REFUSED), Standing.REFUSED),
        (Q(seen_ms__lt=now_ms - SILENT_MS), Standing.SILENT),
        (Q(latest_state=State.DEFERRED), Standing.DEFERRED),
        (Q(latest_state=State.INSTALLED), Standing.INSTALLED),
        (Q(latest_state__in=list(ACTIVE)), Standing.UPDATING),
        (Q(latest_state=State.CONFIRMED), Standing.CONFIRMED),
    )
    found = devices.annotate(
        latest_state=Subquery(latest, output_field=CharField()),
        seen_ms=Subquery(seen),
    ).annotate(
        standing=Case(
            *(When(rule, then=Value(standing.value)) for rule, standing in rules),
            default=Value(Standing.IDLE.value),
            output_field=CharField(),
        )
    )
    return found.filter(standing=only) if only else found


def by_name(devices: QuerySet[Device], *, after: str) -> QuerySet[Device]:
    """Order devices by name, from behind a name on: a page costs the same wherever it is."""
    ordered = devices.order_by(F("controller_id"))
    return ordered.filter(controller_id__gt=after) if after else ordered
