"""Reads about releases and about the signed metadata that stands behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Verdict
from holdfast.hub.errors import NotFoundError
from holdfast.hub.releases import judgements
from holdfast.hub.releases.models import Judgement, Release
from holdfast.updates.errors import UpdateError
from holdfast.updates.inspection import Envelope, delegation_of, judge, parse, products_of
from holdfast.updates.offers import CLOSED, State

PAGE = 25
RECOMMENDATIONS = {
    "1": _("Hardened platform"),
    "2": _("Passwords"),
    "3": _("Updates"),
    "4": _("Vulnerability handling"),
    "5": _("Personal data"),
}
KINDS = ("root", "targets", "snapshot", "timestamp")
# Long enough to find the people who hold the keys, and a second try.
WARN_OFFLINE = timedelta(days=60)
# The worker renews these by itself; when this little is left, it does not run.
WARN_ONLINE = {"snapshot": timedelta(days=5), "timestamp": timedelta(days=1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleState:
    """How one signed list stands.

    Attributes:
        role: `root`, `targets`, `snapshot`, `timestamp`, or the id of a product.
        version: Of the newest file.
        expires: Moment after which devices no longer believe it.
        threshold: So many signatures it needs.
        signed_by: Short ids of the keys whose signature is good.
        keys: So many keys may sign it.
        online: Whether the hub itself signs it.
        state: `good`, `attention` (soon to expire) or `bad` (expired, or too few signatures).
        days_left: Whole days until it expires; negative afterwards.
    """

    role: str
    version: int
    expires: datetime
    threshold: int
    signed_by: tuple[str, ...]
    keys: int
    online: bool
    state: str
    days_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a release has come; only devices that run it count as done.

    Attributes:
        offered: Devices that were ever offered it, without the offers taken back.
        confirmed: Devices whose running system reported it.
        under_way: Devices that have not finished.
        failed: Devices on which it failed.
        refused: Devices that refused it.
        cancelled: Offers that were taken back.
    """

    offered: int
    confirmed: int
    under_way: int
    failed: int
    refused: int
    cancelled: int


def releases() -> QuerySet[Release]:
    """Return all releases with their products."""
    return Release.objects.select_related("product").order_by("-published_ms", "-number")


def release_page(number: str | None) -> Page[Release]:
    """Return one page of releases, newest first; a wrong number gives the nearest page."""
    return Paginator(releases(), PAGE).get_page(number)


def judgement_of(release: Release) -> Judgement | None:
    """Return what the hub's audit says of a release, so far; None before it was asked for."""
    return Judgement.objects.filter(release=release).first()


def rows_of(judgement: Judgement | None) -> list[dict[str, object]]:
    """Give the counts of a judgement by recommendation, with their names."""
    counts = judgement.counts if judgement is not None else {}
    return [
        {
            "name": RECOMMENDATIONS[number],
            "passed": verdicts.get(Verdict.PASS, 0),
            "failed": verdicts.get(Verdict.FAIL, 0),
            "undecided": verdicts.get(Verdict.UNDECIDED, 0),
        }
        for number, verdicts in counts.items()
        if number in RECOMMENDATIONS
    ]


def report_of(number: int) -> Report:
    """Read the report that the hub's audit of a release left.

    Raises:
        NotFoundError: There is none.
        ReportError: It was damaged.
    """
    judgement = Judgement.objects.filter(release_id=number).exclude(report_sha256="").first()
    if judgement is None:
        raise NotFoundError("there is no audit report of this release yet")
    return document.read(judgements.report_place(judgement.report_sha256))


def newest(product_id: str) -> Release | None:
    """Return the newest release of a product that was not withdrawn."""
    found = Release.objects.filter(product_id=product_id, withdrawn_ms=None)
    return found.order_by("-number").first()


def progress(release: Release) -> Progress:
    """Count the offers of a release by how they stand."""
    counted = release.offers.order_by().values("state").annotate(count=Count("id"))
    counts: Mapping[str, int] = {row["state"]: row["count"] for row in counted}
    cancelled = counts.get(State.CANCELLED, 0)
    return Progress(
        offered=sum(counts.values()) - cancelled,
        confirmed=counts.get(State.CONFIRMED, 0),
        under_way=sum(count for state, count in counts.items() if state not in CLOSED),
        failed=counts.get(State.FAILED, 0),
        refused=counts.get(State.REFUSED, 0),
        cancelled=cancelled,
    )


def _newest_file(folder: Path, role: str) -> Path | None:
    if role == "timestamp":
        plain = folder / "timestamp.json"
        return plain if plain.is_file() else None
    numbered = [path for path in folder.glob(f"*.{role}.json") if path.name.split(".")[0].isdigit()]
    return max(numbered, key=lambda path: int(path.name.split(".")[0]), default=None)


def _read(folder: Path, role: str) -> Envelope | None:
    path = _newest_file(folder, role)
    if path is None:
        return None
    try:
        return parse(path.read_bytes(), kind=role if role in KINDS else "targets", name=role)
    except (UpdateError, OSError):
        return None


def _state_of(envelope: Envelope, parent: Envelope, role: str, now: datetime) -> RoleState:
    delegation = delegation_of(parent, role)
    verdict = judge(envelope, delegation)
    left = envelope.expires - now
    if left <= timedelta(0) or not verdict.enough:
        state = "bad"
    elif left <= WARN_ONLINE.get(role, WARN_OFFLINE):
        state = "attention"
    else:
        state = "good"
    return RoleState(
        role=role,
        version=envelope.version,
        expires=envelope.expires,
        threshold=verdict.threshold,
        signed_by=tuple(sorted(keyid[:8] for keyid in verdict.valid)),
        keys=len(delegation.keys),
        online=role in WARN_ONLINE,
        state=state,
        days_left=left.days,
    )


def roles(now: datetime) -> list[RoleState]:
    """Describe every signed list of the repository; empty before the first release."""
    folder = settings.HUB.repository / "metadata"
    root, targets = _read(folder, "root"), _read(folder, "targets")
    if root is None:
        return []
    found = []
    wanted = [(role, root) for role in KINDS]
    if targets is not None:
        wanted += [(product, targets) for product in products_of(targets)]
    for role, parent in wanted:
        envelope = _read(folder, role)
        if envelope is not None:
            try:
                found.append(_state_of(envelope, parent, role, now))
            except UpdateError:
                continue
    return found


def role_of(product_id: str, now: datetime) -> RoleState | None:
    """Describe the signed list of one product; None if there is none that can be read."""
    return next((role for role in roles(now) if role.role == product_id), None)
