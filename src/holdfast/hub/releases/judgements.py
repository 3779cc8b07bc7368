"""Every write about the hub's own audit of releases; one transaction each.

Nothing is offered before the hub itself has judged the image, whatever report came with it: the
maker's machine may be the one that was broken into.
"""

import hashlib
from collections import defaultdict
from functools import partial
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from holdfast.audit.gate import LONGEST_LINE, objections
from holdfast.audit.report.document import encode
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.audit.verdicts import Verdict
from holdfast.core.files import write_whole
from holdfast.hub.errors import BadRequestError
from holdfast.hub.fleet.errors import OfferError
from holdfast.hub.moments import now_ms
from holdfast.hub.releases.errors import NotJudgedError, ObjectionsError
from holdfast.hub.releases.models import Judgement, Judging, Release
from holdfast.hub.staff.services import SYSTEM, record
from holdfast.updates.waiver import Waiver, uncovered

log = structlog.get_logger()

LONGEST_REPORT_BYTES = 64 << 20
_MOST_LINES = 200


@transaction.atomic
def ask(release: Release) -> Judgement:
    """Note that a release is to be audited; nothing happens if it was or will be."""
    judgement, _made = Judgement.objects.get_or_create(
        release=release, defaults={"asked_ms": now_ms()}
    )
    return judgement


@transaction.atomic
def ask_again(release: Release, *, by: str) -> None:
    """Audit a release once more, for example with newer vulnerability data.

    A waiver that somebody gave stays. What was offered stays offered.
    """
    judgement = ask(release)
    if judgement.under_way:
        return
    Judgement.objects.filter(pk=judgement.pk).update(
        state=Judging.WAITING, stage="", share=0, asked_ms=now_ms(), ended_ms=None, tries=0
    )
    record(by=by, what="release.audit_asked", subject=str(release))


def oldest_waiting() -> Judgement | None:
    """Find what has waited longest; what a worker left unfinished waits as well."""
    unfinished = Judgement.objects.filter(state__in=(Judging.WAITING, Judging.RUNNING))
    return unfinished.select_related("release").order_by("asked_ms", "pk").first()


def begin(judgement: Judgement) -> None:
    """Note that the audit runs."""
    Judgement.objects.filter(pk=judgement.pk).update(
        state=Judging.RUNNING, stage="", share=0, tries=F("tries") + 1
    )


def put_back(judgement: Judgement) -> None:
    """Note that the audit was stopped by nobody's fault, and waits again."""
    Judgement.objects.filter(pk=judgement.pk, state=Judging.RUNNING).update(
        state=Judging.WAITING, stage="", share=0, tries=0
    )


def note_progress(judgement: Judgement, stage: str, share: float) -> None:
    """Note how far it is; pages show it."""
    Judgement.objects.filter(pk=judgement.pk, state=Judging.RUNNING).update(
        stage=stage[:100], share=max(0, min(100, round(share * 100)))
    )


def finish(judgement: Judgement, report: Report) -> None:
    """Keep a report and what it means for the release."""
    content = encode(report)
    if len(content) > LONGEST_REPORT_BYTES:
        give_up(judgement, f"its report is longer than {LONGEST_REPORT_BYTES} bytes")
        return
    sha256 = hashlib.sha256(content).hexdigest()
    settings.HUB.reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(report_place(sha256), content)
    against = _bounded(list(objections(report)))
    undecided = [
        f"{one.rule}: {one.reason}" for one in report.checks if one.verdict is Verdict.UNDECIDED
    ]
    _end(
        judgement,
        state=Judging.REFUSED if against else Judging.PASSED,
        objections=against,
        undecided=_bounded(undecided),
        counts=_counted(report),
        report_sha256=sha256,
    )


def give_up(judgement: Judgement, reason: str) -> None:
    """Note that the audit could not be run; that is an objection too."""
    _end(judgement, state=Judging.BROKEN, objections=_bounded([reason]), undecided=[], counts={},
         report_sha256="")  # fmt: skip


@transaction.atomic
def _end(judgement: Judgement, *, objections: list[str], **fields: object) -> None:
    before = Judgement.objects.select_for_update().get(pk=judgement.pk)
    subject = str(judgement.release)
    # Who waived one thing did not waive what only came to light afterwards.
    more = uncovered(objections, before.objections) if before.waived_by else ()
    if more:
        fields |= {"waived_by": "", "waived_why": "", "waived_ms": None}
    Judgement.objects.filter(pk=judgement.pk).update(
        ended_ms=now_ms(), stage="", objections=objections, **fields
    )
    facts = {"objections": objections, "report_sha256": fields["report_sha256"]}
    record(by=SYSTEM, what=f"release.audit_{fields['state']}", subject=subject, facts=facts)
    if more:
        facts = {"waived_by": before.waived_by, "not_waived": list(more)}
        record(by=SYSTEM, what="release.audit_waiver_lapsed", subject=subject, facts=facts)
    if before.report_sha256 not in {"", fields["report_sha256"]}:
        transaction.on_commit(partial(_forget, before.report_sha256))
    log.info("release.judged", release=judgement.release_id, state=fields["state"])


def honour(judgement: Judgement, waiver: Waiver) -> None:
    """Let a release pass that its signers themselves waived; they signed the waiver with it.

    Only what they knew is waived: the hub may have found more.
    """
    judgement.refresh_from_db()
    if not judgement.open and not waiver.uncovered(judgement.objections):
        waive(judgement.release, by=f"{waiver.who} (signed with the release)", why=waiver.why)


@transaction.atomic
def waive(release: Release, *, by: str, why: str) -> None:
    """Let a release pass in spite of what speaks against it, in the name of a person.

    Raises:
        NotJudgedError: Its audit is not over; nobody knows yet what would be waived.
        BadRequestError: There is nothing to waive.
    """
    judgement = Judgement.objects.select_for_update().filter(release=release).first()
    if judgement is None or judgement.under_way:
        raise NotJudgedError(f"the audit of {release} is not over")
    if judgement.open:
        raise BadRequestError(f"{release} may be offered already")
    judgement.waived_by, judgement.waived_why, judgement.waived_ms = by, why, now_ms()
    judgement.save(update_fields=["waived_by", "waived_why", "waived_ms"])
    record(by=by, what="release.audit_waived", subject=str(release), why=why,
           facts={"objections": judgement.objections})  # fmt: skip


@transaction.atomic
def want_offered(release: Release, *, by: str) -> None:
    """Note that a release is to be offered as soon as it may be.

    Raises:
        OfferError: It is withdrawn.
    """
    if Release.objects.filter(pk=release.pk).exclude(withdrawn_ms=None).exists():
        raise OfferError(f"release {release} is withdrawn")
    Judgement.objects.filter(pk=ask(release).pk).update(offer_by=by)


@transaction.atomic
def take_wish(release: Release) -> str:
    """Take the wish to offer a release, if there is one and it may be offered now.

    Whoever takes it offers it in the same transaction. A withdrawn release is not offered any more.

    Returns:
        Who wished it; empty if nobody did, or if it is too early.
    """
    judgement = Judgement.objects.select_for_update().filter(release=release).first()
    if judgement is None or not judgement.open or not judgement.offer_by:
        return ""
    wished_by = judgement.offer_by
    judgement.offer_by = ""
    judgement.save(update_fields=["offer_by"])
    withdrawn = Release.objects.filter(pk=release.pk).exclude(withdrawn_ms=None).exists()
    return "" if withdrawn else wished_by


def must_be_open(release: Release) -> None:
    """Refuse to offer a release that was not judged, or that something speaks against.

    Raises:
        NotJudgedError: The hub's audit is not over.
        ObjectionsError: It is, and it says no.
    """
    judgement = Judgement.objects.filter(release=release).first()
    if judgement is None or (judgement.under_way and not judgement.open):
        raise NotJudgedError(_("The hub has not finished its audit of %s.") % release)
    if not judgement.open:
        first = "; ".join(judgement.objections[:3])
        raise ObjectionsError(_("The audit says no: %s.") % first)


def report_place(sha256: str) -> Path:
    """Say where a report is kept."""
    place: Path = settings.HUB.reports / f"{sha256}.json"
    return place


def sweep() -> None:
    """Remove reports that no judgement names; one that was cut off may have left them."""
    kept = set(Judgement.objects.values_list("report_sha256", flat=True))
    for place in settings.HUB.reports.glob("*"):
        if place.stem not in kept:
            place.unlink()


def _forget(sha256: str) -> None:
    """Remove a report that was replaced, unless another release has the very same."""
    if not Judgement.objects.filter(report_sha256=sha256).exists():
        report_place(sha256).unlink(missing_ok=True)


def _bounded(lines: list[str]) -> list[str]:
    return [visible(line)[:LONGEST_LINE] for line in lines[:_MOST_LINES]]


def _counted(report: Report) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in report.checks:
        counts[str(one.recommendation)][str(one.verdict)] += 1
    return {number: dict(verdicts) for number, verdicts in sorted(counts.items())}
