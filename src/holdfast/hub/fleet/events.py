"""Handling of what the gateway wrote down: events become states, facts and history.

Events are taken in the order of their ids, in batches; everything that a batch changes and the
marks that its events are handled are one transaction. A crash at any moment therefore loses
nothing and does nothing twice. Every content is hostile: what cannot be read becomes a line of
the device's history and never stops the events behind it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import structlog
from django.db import connection, transaction
from django.db.models import Count, Max, Model

from holdfast.core.clock import moment
from holdfast.hub.fleet import changes, history
from holdfast.hub.fleet.models import Device, Event, EventKind, HistoryEntry, Offer
from holdfast.hub.fleet.reports import (
    Feedback,
    ReportError,
    clean,
    read_attributes,
    read_feedback,
    read_wish,
)
from holdfast.hub.fleet.words import CHATTY, REPEATABLE
from holdfast.hub.moments import DAY_MS, now_ms, to_ms
from holdfast.hub.owners import services as owners
from holdfast.updates import offers
from holdfast.updates.errors import VersionError
from holdfast.updates.offers import State
from holdfast.updates.release import Version

log = structlog.get_logger()

BATCH = 500
LINES_MOST = 500
"""Of each kind that a device can make in any number so many lines are kept per device."""

RESTART_GRACE = timedelta(hours=24)
"""A client that names no boot id is believed to have restarted this long after installing."""

BOOT = "holdfast.boot"
VERSIONS = ("holdfast.version", "version")

_ATTRIBUTES_KEPT = 100
_LONGEST_WAIT_MS = 366 * DAY_MS
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d)?(Z?)", re.ASCII)
_STEP_LINES = {
    State.RETRIEVED: "offer-retrieved",
    State.DOWNLOADING: "offer-downloading",
    State.DOWNLOADED: "offer-downloaded",
    State.INSTALLED: "offer-installed",
    State.CONFIRMED: "offer-confirmed",
    State.CANCELLED: "offer-device-cancelled",
}
_OFFER_COLUMNS = (
    "state",
    "closed_ms",
    "waits_until_ms",
    "installed_ms",
    "installed_boot",
    "reason_code",
    "reason",
)
_DEVICE_COLUMNS = ("attributes", "reported_version", "wants_attributes")
_ENDED_BY_DEVICE = {State.FAILED, State.REFUSED}


def waiting() -> bool:
    """Tell cheaply whether there is anything to handle."""
    return Event.objects.filter(handled_ms=None).exists()


def handle_events(*, most: int = BATCH) -> int:
    """Handle the oldest events that are not handled yet; return how many.

    Args:
        most: How many at most in one transaction.
    """
    with transaction.atomic():
        events = list(Event.objects.filter(handled_ms=None).order_by("pk")[:most])
        if events:
            Batch(events).run()
    return len(events)


class Batch:
    """Some events on their way through, with all that they touch read once and written once."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        self._devices = Device.objects.in_bulk({event.device_id for event in events})
        self._offers = self._offers_of(events)
        self._latest = self._latest_of(self._devices)
        self._changed_devices: set[int] = set()
        self._changed_offers: set[int] = set()
        self._announced: set[int] = set()
        self._lines: list[HistoryEntry] = []
        self._handlers: dict[str, Callable[[Event, Device], None]] = {
            EventKind.FEEDBACK: self._feedback,
            EventKind.ATTRIBUTES: self._attributes,
            EventKind.RETRIEVED: self._retrieved,
            EventKind.ARTIFACT: self._artifact,
            EventKind.OWNER_ADDRESS: self._owner_address,
            EventKind.CANCEL_FEEDBACK: self._cancel_feedback,
        }

    @staticmethod
    def _offers_of(events: Iterable[Event]) -> dict[int, Offer]:
        numbers = {event.offer_id for event in events if event.offer_id is not None}
        return Offer.objects.select_related("release").in_bulk(numbers)

    def _latest_of(self, device_ids: Iterable[int]) -> dict[int, Offer]:
        newest = (
            Offer.objects.filter(device_id__in=list(device_ids))
            .values("device_id")
            .annotate(newest=Max("pk"))
            .values_list("newest", flat=True)
        )
        numbers = [number for number in newest if number not in self._offers]
        self._offers |= Offer.objects.select_related("release").in_bulk(numbers)
        latest: dict[int, Offer] = {}
        for offer in self._offers.values():
            known = latest.get(offer.device_id)
            if known is None or known.pk < offer.pk:
                latest[offer.device_id] = offer
        return latest

    def run(self) -> None:
        """Handle every event and write what came of it."""
        for event in self._events:
            device = self._devices.get(event.device_id)
            # A device may have been retired since it said this; it is not listened to any more.
            if device is not None and device.retired_ms is None:
                self._handle(event, device)
        _write(Offer, _OFFER_COLUMNS, [self._offers[pk] for pk in sorted(self._changed_offers)])
        _write(Device, _DEVICE_COLUMNS, [self._devices[pk] for pk in sorted(self._changed_devices)])
        HistoryEntry.objects.bulk_create(self._lines)
        self._thin_out()
        changes.announce(self._announced)
        Event.objects.filter(pk__in=[event.pk for event in self._events]).update(
            handled_ms=now_ms()
        )

    def _handle(self, event: Event, device: Device) -> None:
        handler = self._handlers.get(event.kind)
        if handler is None:
            self._note(event, "report-unclear", text=clean(event.kind))
            return
        try:
            handler(event, device)
        except ReportError as error:
            self._note(event, "report-unreadable", text=str(error))

    def _note(self, event: Event, code: str, **parameters: object) -> None:
        offer = self._offers.get(event.offer_id) if event.offer_id is not None else None
        mine = offer if offer is not None and offer.device_id == event.device_id else None
        self._lines.append(
            history.entry(
                event.device_id,
                code,
                offer_id=mine.pk if mine else None,
                at_ms=event.at_ms,
                parameters=parameters,
            )
        )

    def _thin_out(self) -> None:
        """Let the oldest lines go of devices that talk without end."""
        for codes in (CHATTY, REPEATABLE):
            talkers = {line.device_id for line in self._lines if line.code in codes}
            written = HistoryEntry.objects.filter(device_id__in=talkers, code__in=codes)
            counted = written.order_by().values("device_id").annotate(lines=Count("pk"))
            for device_id in counted.filter(lines__gt=LINES_MOST).values_list(
                "device_id", flat=True
            ):
                own = written.filter(device_id=device_id)
                newest_to_go = own.order_by("-pk").values_list("pk", flat=True)[LINES_MOST]
                own.filter(pk__lte=newest_to_go).delete()

    def _offer_of(self, event: Event) -> Offer | None:
        """Find the offer an event is about; one of another device counts as unknown."""
        offer = self._offers.get(event.offer_id) if event.offer_id is not None else None
        if offer is None or offer.device_id != event.device_id:
            self._note(event, "offer-unknown", number=event.offer_id or 0)
            return None
        return offer

    def _apply(self, offer: Offer, what: offers.Event, at_ms: int) -> tuple[State, State]:
        """Move an offer on; return its state before and after."""
        before = State(offer.state)
        after = offers.apply(before, what)
        if after is before:
            return before, after
        offer.state = after.value
        if after in offers.CLOSED:
            offer.closed_ms = at_ms
        if after is State.CONFIRMED or after in offers.ACTIVE:
            offer.reason_code = offer.reason = ""  # whatever held it up is over
        if after is not State.DEFERRED:
            offer.waits_until_ms = None
        self._changed_offers.add(offer.pk)
        self._announced.add(offer.device_id)
        return before, after

    def _want_attributes(self, device: Device, *, wanted: bool) -> None:
        if device.wants_attributes != wanted:
            device.wants_attributes = wanted
            self._changed_devices.add(device.pk)
            self._announced.add(device.pk)

    # What devices say about an offer

    def _retrieved(self, event: Event, device: Device) -> None:
        del device
        self._step(event, offers.Event.RETRIEVED)

    def _artifact(self, event: Event, device: Device) -> None:
        del device
        # Anybody with a token may fetch a file again; without an offer that says nothing.
        if event.offer_id is not None:
            self._step(event, offers.Event.DOWNLOADING)

    def _step(self, event: Event, what: offers.Event) -> None:
        offer = self._offer_of(event)
        if offer is None:
            return
        before, after = self._apply(offer, what, event.at_ms)
        if after is not before:
            self._note(event, _STEP_LINES[after], version=offer.release.version)

    def _feedback(self, event: Event, device: Device) -> None:
        said = read_feedback(event.body)
        offer = self._offer_of(event)
        if offer is None:
            return
        what = offers.event_of_feedback(said.execution, said.finished, said.details)
        if what is None:
            self._note(event, "report-unclear", text=f"{said.execution}/{said.finished}")
            return
        ended = State(offer.state) in offers.CLOSED
        before, after = self._apply(offer, what, event.at_ms)
        if what is offers.Event.DEFERRED and not ended:
            self._defer(event, offer, said)
        elif after is not before:
            self._explain(event, offer, device, said)
        elif ended and (before is not State.CONFIRMED or what is not offers.Event.INSTALLED):
            word = f"{said.execution}/{said.finished}"
            text = f"[{said.reason_code}] {said.reason}" if said.reason_code else said.reason
            self._note(event, "late-report", version=offer.release.version, said=word, text=text)
            return
        if said.reason_code and State(offer.state) in offers.ACTIVE:
            # Not refused: the device goes on by itself once that is mended.
            offer.reason_code, offer.reason = said.reason_code, said.reason
            self._changed_offers.add(offer.pk)
        if said.details and after not in _ENDED_BY_DEVICE | {State.DEFERRED}:
            self._note(event, "offer-progress", text=said.details[-1])

    def _defer(self, event: Event, offer: Offer, said: Feedback) -> None:
        until_ms, shown, code = _until_of(said, event.at_ms)
        if until_ms == offer.waits_until_ms and until_ms is not None:
            return
        offer.waits_until_ms = until_ms
        self._changed_offers.add(offer.pk)
        self._note(event, code, version=offer.release.version, until=shown)

    def _explain(self, event: Event, offer: Offer, device: Device, said: Feedback) -> None:
        """Write down what a change of state means, after a device's own words."""
        state = State(offer.state)
        version = offer.release.version
        if state in _ENDED_BY_DEVICE:
            offer.reason_code, offer.reason = said.reason_code, said.reason
            line = "offer-refused" if state is State.REFUSED else "offer-failed"
            self._note(event, line, version=version, reason_code=said.reason_code, said=said.reason)
        else:
            self._note(event, _STEP_LINES[state], version=version, running=version)
        if state is State.INSTALLED:
            offer.installed_ms = event.at_ms
            offer.installed_boot = str(device.attributes.get(BOOT, ""))
            self._want_attributes(device, wanted=True)
        if device.reported_version == version and offer is self._latest.get(device.pk):
            # Its new system spoke before it closed the offer.
            _state, after = self._apply(offer, offers.Event.RUNS_OFFERED, event.at_ms)
            if after is State.CONFIRMED:
                self._note(event, "offer-confirmed", version=version, running=version)
                self._want_attributes(device, wanted=False)

    def _cancel_feedback(self, event: Event, device: Device) -> None:
        del device
        said = read_feedback(event.body)
        offer = self._offer_of(event)
        if offer is None:
            return
        refused = said.execution == "rejected" or said.finished == "failure"
        if refused:
            text = said.reason or said.execution
            self._note(event, "cancel-refused", version=offer.release.version, text=text)
            return
        if said.execution in {"closed", "canceled"}:
            self._apply(offer, offers.Event.CANCELLED, event.at_ms)
            self._note(event, "cancel-accepted", version=offer.release.version)

    # What devices say about themselves and their owners

    def _attributes(self, event: Event, device: Device) -> None:
        said = read_attributes(event.body)
        known = dict(device.attributes) if isinstance(device.attributes, dict) else {}
        if said.mode == "remove":
            merged = {name: value for name, value in known.items() if name not in said.values}
        else:
            merged = said.values if said.mode == "replace" else known | said.values
        names = sorted(
            name
            for name in merged.keys() | known.keys()
            if merged.get(name) != known.get(name) and name != BOOT
        )
        device.attributes = dict(list(merged.items())[-_ATTRIBUTES_KEPT:])
        self._changed_devices.add(device.pk)
        running = next((said.values[name] for name in VERSIONS if name in said.values), "")
        if running and said.mode != "remove":
            self._runs(event, device, running)
        told = [name for name in names if name not in VERSIONS]
        if told:
            self._note(event, "attributes-changed", names=clean(", ".join(told)))
        latest = self._latest.get(device.pk)
        unproven = latest is not None and latest.state == State.INSTALLED
        self._want_attributes(device, wanted=unproven)

    def _runs(self, event: Event, device: Device, running: str) -> None:
        """Draw the conclusions from the version that the running system names."""
        try:
            reported = Version.parse(running)
        except VersionError:
            self._note(event, "version-unclear", text=clean(running))
            return
        before = device.reported_version
        device.reported_version = str(reported)
        if not before:
            self._note(event, "version-first", running=str(reported))
        elif before != device.reported_version:
            self._note(event, "version-changed", running=str(reported), before=before)
        offer = self._latest.get(device.pk)
        if offer is not None:
            self._judge(event, device, offer, reported, said_before=before == str(reported))

    def _judge(
        self, event: Event, device: Device, offer: Offer, reported: Version, *, said_before: bool
    ) -> None:
        offered = Version.parse(offer.release.version)
        if State(offer.state) in offers.ACTIVE and reported == offered and not said_before:
            # Its new system speaks first and closes the offer next: `_explain` goes on then.
            return
        what = offers.event_of_report(
            offered=offered,
            reported=reported,
            restarted=_has_restarted(offer, device, event.at_ms),
        )
        before, after = self._apply(offer, what, event.at_ms)
        if after is before:
            return
        version, running = offer.release.version, str(reported)
        if after is State.FAILED:
            offer.reason_code, offer.reason = "update-unhealthy", ""
            self._note(
                event,
                "offer-fell-back",
                version=version,
                running=running,
                reason_code=offer.reason_code,
            )
        elif after is State.CANCELLED:
            offer.reason_code, offer.reason = "overtaken", ""
            self._note(event, "offer-overtaken", version=version, running=running)
        else:
            self._note(event, "offer-confirmed", version=version, running=running)

    def _owner_address(self, event: Event, device: Device) -> None:
        wish = read_wish(event.body)
        owners.hear(device.pk, action=wish.action, address=wish.address, language=wish.language)


def _write(model: type[Model], names: Sequence[str], rows: Sequence[Model]) -> None:
    """Write some columns of many rows; Django's own `bulk_update` takes five times as long."""
    columns = model._meta.concrete_fields  # noqa: SLF001 - Django's public API
    fields = [field for field in columns if field.name in names]
    quoted = [connection.ops.quote_name(str(field.column)) for field in fields]
    assignments = ", ".join(f"{column} = %s" for column in quoted)
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - as above
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        + [row.pk]
        for row in rows
    ]
    if values:
        with connection.cursor() as cursor:
            # Names of our own models only; every value is a parameter.
            cursor.executemany(f"UPDATE {table} SET {assignments} WHERE id = %s", values)  # noqa: S608


def _until_of(said: Feedback, at_ms: int) -> tuple[int | None, str, str]:
    """Find the moment to which an owner put an offer off, among the details.

    Returns:
        Milliseconds UTC, how it is shown, and the code of the line in the history. Without a `Z`
        the moment is by the device's own clock, whose zone nobody told: then the milliseconds are
        hours off at worst.
    """
    for line in said.details:
        found = _MOMENT.search(line)
        if found is None:
            continue
        day, clock, zone = found.groups()
        try:
            until_ms = to_ms(moment(f"{day}T{clock}:00Z"))
        except ValueError:
            continue
        if at_ms - DAY_MS < until_ms < at_ms + _LONGEST_WAIT_MS:
            code = "offer-deferred" if zone else "offer-deferred-local"
            return until_ms, f"{day} {clock}", code
    return None, "", "offer-waiting"


def _has_restarted(offer: Offer, device: Device, at_ms: int) -> bool:
    """Tell whether a device surely restarted since it said that the offer is installed."""
    if offer.installed_ms is None:
        return False
    boot = str(device.attributes.get(BOOT, ""))
    if boot and offer.installed_boot:
        return boot != offer.installed_boot
    return at_ms - offer.installed_ms > RESTART_GRACE.total_seconds() * 1000
