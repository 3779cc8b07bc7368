"""Reads about devices, for the staff's pages."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django_stubs_ext import StrOrPromise

from holdfast.hub.fleet import states, words
from holdfast.hub.fleet.models import Device, HistoryEntry, Offer
from holdfast.hub.fleet.services import misfit
from holdfast.hub.fleet.why import why
from holdfast.hub.moments import from_ms, now_ms
from holdfast.hub.owners.queries import has_owner_mail
from holdfast.hub.releases.models import Release

__all__ = [
    "device_named",
    "devices",
    "facts_of",
    "fitting",
    "history",
    "open_offer",
    "standing_of",
    "why",
]

PAGE = 50
HISTORY_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """A device for the list.

    Attributes:
        pk: Its row.
        controller_id: Its name.
        product: What it is.
        hardware: Its revision.
        version: What it reports to run, or empty.
        standing: How it stands, in words.
        tone: `good`, `attention`, `bad`, `unknown` or empty.
        seen: When it called last, or None.
    """

    pk: int
    controller_id: str
    product: str
    hardware: str
    version: str
    standing: StrOrPromise
    tone: str
    seen: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """One page of the list.

    Attributes:
        lines: The devices.
        after: Name behind which the next page begins; empty if this is the last.
    """

    lines: tuple[DeviceLine, ...]
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """A line of a device's history.

    Attributes:
        pk: Its number, by which older lines are asked for.
        at: When.
        text: What, in words.
        code: The same as a stable name.
    """

    pk: int
    at: datetime
    text: str
    code: str


def devices(
    *, product: str = "", standing: str = "", search: str = "", after: str = ""
) -> DevicePage:
    """Return one page of devices by name.

    Args:
        product: Only of this product.
        standing: Only in this one of `states.Standing`.
        search: Only those whose name contains this.
        after: From behind this name on.
    """
    found = states.by_name(Device.objects.all(), after=after)
    if product:
        found = found.filter(product_id=product)
    if search:
        found = found.filter(controller_id__icontains=search)
    only = standing if standing in states.WORDS else ""
    annotated = states.with_standing(found, now_ms=now_ms(), only=only)
    rows = list(annotated[: PAGE + 1])
    more = len(rows) > PAGE
    lines = tuple(_line_of(device) for device in rows[:PAGE])
    return DevicePage(lines=lines, after=lines[-1].controller_id if more else "")


def standing_of(device: Device) -> tuple[StrOrPromise, str]:
    """Return how one device stands, in words and as a tone."""
    found = states.with_standing(Device.objects.filter(pk=device.pk), now_ms=now_ms())
    line = _line_of(found.get())
    return line.standing, line.tone


def _line_of(device: Device) -> DeviceLine:
    standing: str = getattr(device, "standing", "")
    seen_ms: int | None = getattr(device, "seen_ms", None)
    return DeviceLine(
        pk=device.pk,
        controller_id=device.controller_id,
        product=device.product_id,
        hardware=device.hardware,
        version=device.reported_version,
        standing=states.WORDS.get(standing, standing),
        tone=states.TONES.get(states.Standing(standing), ""),
        seen=from_ms(seen_ms) if seen_ms is not None else None,
    )


def history(device: Device, *, before: int | None = None) -> tuple[list[HistoryLine], int | None]:
    """Return the history of a device, newest first, and where the older lines begin.

    Args:
        device: Whose.
        before: Only lines older than this one.
    """
    found = HistoryEntry.objects.filter(device=device).order_by("-pk")
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: HISTORY_PAGE + 1])
    lines = [
        HistoryLine(
            pk=row.pk,
            at=from_ms(row.at_ms),
            text=words.sentence(row.code, row.parameters),
            code=row.code,
        )
        for row in rows[:HISTORY_PAGE]
    ]
    return lines, lines[-1].pk if len(rows) > HISTORY_PAGE else None


def facts_of(device: Device, *, before: int | None = None) -> dict[str, object]:
    """Collect everything that the page of one device shows, but for its form."""
    lines, older = history(device, before=before)
    standing, tone = standing_of(device)
    return {
        "device": device,
        "answer": why(device),
        "standing": standing,
        "tone": tone,
        "offer": open_offer(device),
        "lines": lines,
        "next_before": older,
        "fitting": fitting(device),
        "mail": has_owner_mail(device.pk),
    }


def open_offer(device: Device) -> Offer | None:
    """Return the offer that a device works on."""
    return Offer.objects.select_related("release").filter(device=device, closed_ms=None).first()


def fitting(device: Device) -> list[Release]:
    """Return the releases that may be offered to a device, newest first."""
    found: QuerySet[Release] = Release.objects.filter(
        product_id=device.product_id, withdrawn_ms=None
    ).order_by("-number")[:50]
    return [release for release in found if not misfit(release, device)]


def device_named(controller_id: str) -> Device | None:
    """Find a device by its name."""
    return Device.objects.select_related("product").filter(controller_id=controller_id).first()
