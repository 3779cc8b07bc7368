"""Every write about devices and offers by a person; one transaction each.

What devices report is written by `holdfast.hub.fleet.events`.
"""

import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import structlog
from django.db import transaction
from django.db.models import QuerySet

from holdfast.hub.fleet import changes, history
from holdfast.hub.fleet.errors import DeviceError, DeviceExistsError, OfferError
from holdfast.hub.fleet.models import Device, HistoryEntry, Mode, Offer
from holdfast.hub.moments import now_ms
from holdfast.hub.owners import services as owners
from holdfast.hub.products.models import Product
from holdfast.hub.products.queries import profile_of
from holdfast.hub.releases import judgements
from holdfast.hub.releases.models import Release
from holdfast.hub.staff.services import record
from holdfast.updates.errors import VersionError
from holdfast.updates.offers import ACTIVE, State
from holdfast.updates.release import Version

log = structlog.get_logger()

TOKEN_BYTES = 32
_CONTROLLER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HARDWARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of offering a release to devices.

    Attributes:
        offered: How many devices have an offer now that they had not before.
        left_out: How many got none, by the reason: `not-newer`, `other-product`,
            `other-hardware`, `offered-already`, `retired`.
    """

    offered: int
    left_out: dict[str, int]


def digest(token: str) -> str:
    """Return what is kept of a device's token."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def register_device(controller_id: str, product: Product, hardware: str, *, by: str) -> str:
    """Let a device in; return its token, which is kept nowhere and cannot be shown again.

    Args:
        controller_id: Name under which it will poll: letters, digits, dots, dashes, underscores.
        product: What it is.
        hardware: Its revision, one of the product's profile.
        by: Who does it.

    Raises:
        DeviceError: The name or the revision cannot be.
        DeviceExistsError: The name is taken.
    """
    must_be_new(controller_id, product, hardware)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    device = Device.objects.create(
        controller_id=controller_id,
        token_sha256=digest(token),
        product=product,
        hardware=hardware,
        created_ms=now_ms(),
    )
    history.add(device.pk, "device-registered", by=by)
    changes.announce({device.pk})
    facts = {"product": product.pk, "hardware": hardware}
    record(by=by, what="device.registered", subject=controller_id, facts=facts)
    log.info("device.registered", device=device.pk, product=product.pk, by=by)
    return token


def must_be_new(controller_id: str, product: Product, hardware: str) -> None:
    """Refuse a device that cannot be registered.

    Raises:
        DeviceError: The name or the revision cannot be.
        DeviceExistsError: The name is taken.
    """
    if not _CONTROLLER_ID.fullmatch(controller_id):
        raise DeviceError("the name of a device is 1 to 64 letters, digits, dots, dashes, _")
    if not _HARDWARE.fullmatch(hardware):
        raise DeviceError("the hardware revision is 1 to 32 letters, digits, dots, dashes, _")
    profile = profile_of(product)
    if profile is not None and hardware not in profile.identity.hardware:
        known = ", ".join(profile.identity.hardware)
        raise DeviceError(f"{product.pk} has no hardware revision {hardware}; it has: {known}")
    if Device.objects.filter(controller_id=controller_id).exists():
        raise DeviceExistsError(f"a device named {controller_id} is registered already")


@transaction.atomic
def new_token(device: Device, *, by: str) -> str:
    """Give a device a new token and end the old one at once; return the new one.

    Raises:
        DeviceError: It is retired.
    """
    if device.retired_ms is not None:
        raise DeviceError(f"{device.controller_id} is retired")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    Device.objects.filter(pk=device.pk).update(token_sha256=digest(token))
    history.add(device.pk, "token-renewed", by=by)
    changes.announce({device.pk})
    record(by=by, what="device.token_renewed", subject=device.controller_id)
    log.info("device.token_renewed", device=device.pk, by=by)
    return token


@transaction.atomic
def retire(device: Device, *, by: str, why: str = "") -> None:
    """Let a device in no more; its history stays. Doing it twice is fine."""
    if not Device.objects.filter(pk=device.pk, retired_ms=None).update(retired_ms=now_ms()):
        return
    _close(device.offers.filter(closed_ms=None), "retired")
    owners.forget_device(device.pk)
    history.add(device.pk, "device-retired", by=by)
    changes.announce({device.pk})
    record(by=by, what="device.retired", subject=device.controller_id, why=why)
    log.info("device.retired", device=device.pk, by=by)


@transaction.atomic
def offer(
    release: Release,
    *,
    by: str,
    devices: Iterable[Device] | None = None,
    mode: Mode = Mode.ATTEMPT,
    fitting_only: bool = True,
) -> Outcome:
    """Offer a release to devices; each gets at most one open offer, the newest.

    Args:
        release: What is offered; not withdrawn.
        by: Who does it.
        devices: To whom; all of the release's product unless told.
        mode: How urgently they are to act.
        fitting_only: False offers it also where it does not fit, to see devices refuse it; no
            owner is written to then, and no page does so.

    Raises:
        OfferError: The release is withdrawn.
        NotJudgedError: The hub has not finished its audit of the release.
        ObjectionsError: The audit says no, and nobody waived that.
    """
    if release.withdrawn_ms is not None:
        raise OfferError(f"release {release} is withdrawn")
    judgements.must_be_open(release)
    chosen = iter(_all_of(release) if devices is None else devices)
    left_out: Counter[str] = Counter()
    offered: list[int] = []
    while chunk := list(islice(chosen, _CHUNK)):
        offered += _offer_chunk(release, chunk, by=by, mode=mode, left_out=left_out,
                                fitting_only=fitting_only)  # fmt: skip
    changes.announce(set(offered))
    if offered:
        mails = owners.announce(release.pk) if fitting_only else 0
        facts = {"devices": len(offered), "mode": mode.value, "mails": mails}
        record(by=by, what="release.offered", subject=str(release), facts=facts)
    log.info("release.offered", release=release.pk, devices=len(offered), by=by)
    return Outcome(offered=len(offered), left_out=dict(left_out))


def _all_of(release: Release) -> Iterator[Device]:
    devices = Device.objects.filter(product_id=release.product_id, retired_ms=None)
    return devices.order_by("pk").iterator(chunk_size=_CHUNK)


def _offer_chunk(
    release: Release,
    devices: list[Device],
    *,
    by: str,
    mode: Mode,
    left_out: Counter[str],
    fitting_only: bool,
) -> list[int]:
    open_offers = {
        found.device_id: found
        for found in Offer.objects.filter(
            device_id__in=[device.pk for device in devices], closed_ms=None
        ).select_related("release")
    }
    chosen: list[int] = []
    superseded: list[Offer] = []
    for device in devices:
        older = open_offers.get(device.pk)
        obstacle = _obstacle(release, device, older, fitting_only=fitting_only)
        if obstacle:
            left_out[obstacle] += 1
            continue
        chosen.append(device.pk)
        if older is not None:
            superseded.append(older)
    at_ms = now_ms()
    Offer.objects.filter(pk__in=[older.pk for older in superseded]).update(
        state=State.CANCELLED, closed_ms=at_ms, reason_code="superseded", reason=""
    )
    made = Offer.objects.bulk_create(
        [
            Offer(device_id=device_id, release=release, mode=mode, opened_ms=at_ms)
            for device_id in chosen
        ]
    )
    lines = [
        history.entry(
            older.device_id,
            "offer-superseded",
            offer_id=older.pk,
            parameters={"version": older.release.version, "newer": release.version},
        )
        for older in superseded
    ]
    parameters: dict[str, object] = {"version": release.version, "by": by}
    lines += [
        history.entry(one.device_id, "offer-made", offer_id=one.pk, parameters=parameters)
        for one in made
    ]
    HistoryEntry.objects.bulk_create(lines)
    return chosen


def _obstacle(release: Release, device: Device, older: Offer | None, *, fitting_only: bool) -> str:
    """Say why a device gets no offer; empty if it gets one."""
    if device.retired_ms is not None:
        return "retired"
    if older is not None and older.release_id == release.pk:
        return "offered-already"
    return misfit(release, device) if fitting_only else ""


def misfit(release: Release, device: Device) -> str:
    """Say why a release does not fit a device; empty if it does."""
    if release.product_id != device.product_id:
        return "other-product"
    if device.hardware not in release.hardware:
        return "other-hardware"
    try:
        running = Version.parse(device.reported_version).number
    except VersionError:
        return ""  # nothing is known yet, and the device refuses what is older itself
    return "" if release.number > running else "not-newer"


def _close(found: QuerySet[Offer], reason_code: str) -> int:
    return found.update(
        state=State.CANCELLED, closed_ms=now_ms(), reason_code=reason_code, reason=""
    )


@transaction.atomic
def cancel(given: Offer, *, by: str, why: str = "") -> None:
    """Take an offer back.

    Raises:
        OfferError: It has ended, or the device has installed it already.
    """
    found = Offer.objects.select_related("device", "release").get(pk=given.pk)
    if State(found.state) not in ACTIVE:
        error = OfferError(f"offer {found.pk} cannot be cancelled: it is {found.state}")
        error.hint = "Publish and offer a newer release instead."
        raise error
    _close(Offer.objects.filter(pk=found.pk), "cancelled")
    history.add(
        found.device_id, "offer-cancelled", offer_id=found.pk, version=found.release.version, by=by
    )
    changes.announce({found.device_id})
    subject = f"{found.release} to {found.device.controller_id}"
    record(by=by, what="offer.cancelled", subject=subject, why=why)
    log.info("offer.cancelled", offer=found.pk, by=by)


@transaction.atomic
def withdraw(release: Release, *, by: str, why: str = "") -> int:
    """Offer a release no more, and take back its offers that are not installed yet.

    Returns:
        How many offers were taken back.
    """
    Release.objects.filter(pk=release.pk, withdrawn_ms=None).update(withdrawn_ms=now_ms())
    affected = list(
        Offer.objects.filter(release=release, closed_ms=None, state__in=list(ACTIVE)).values_list(
            "pk", "device_id"
        )
    )
    parameters: dict[str, object] = {"version": release.version, "by": by}
    for start in range(0, len(affected), _CHUNK):
        part = affected[start : start + _CHUNK]
        _close(Offer.objects.filter(pk__in=[pk for pk, _device in part]), "withdrawn")
        HistoryEntry.objects.bulk_create(
            history.entry(device_id, "release-withdrawn", offer_id=pk, parameters=parameters)
            for pk, device_id in part
        )
    owners.call_off(release.pk)
    changes.announce({device_id for _pk, device_id in affected})
    facts = {"offers": len(affected)}
    record(by=by, what="release.withdrawn", subject=str(release), why=why, facts=facts)
    log.info("release.withdrawn", release=release.pk, offers=len(affected), by=by)
    return len(affected)
