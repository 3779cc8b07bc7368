"""Background work: the hub's own audit of a release."""

from pathlib import Path
from time import monotonic

import structlog
from django.conf import settings
from django.db import transaction
from django_tasks import task

from holdfast import product
from holdfast.audit import apart
from holdfast.audit.child import Settings
from holdfast.core.errors import HoldfastError
from holdfast.hub.fleet import services as fleet
from holdfast.hub.releases import judgements
from holdfast.hub.releases.models import Judgement, Judging, Release
from holdfast.hub.releases.services import PROFILE
from holdfast.updates import waiver

QUEUE = "audit"
NOTED_EVERY_S = 0.5
log = structlog.get_logger()


@task(queue_name=QUEUE)
def judge(release_id: int) -> None:
    """Audit the image of a release behind walls, keep the report, and offer it if that waits."""
    judgement = Judgement.objects.select_related("release").filter(release_id=release_id).first()
    if judgement is None or not judgement.under_way:
        return
    judgements.begin(judgement)
    image, profile = _files(judgement.release)
    try:
        how = Settings(
            profile=product.read(profile), database=_database(), cache=settings.HUB.audit_cache
        )
        report = apart.judge(image, how, progress=_Notes(judgement))
    except HoldfastError as error:
        judgements.give_up(judgement, str(error))
        return
    judgements.finish(judgement, report)
    # The repository keeps only what was signed, under its digest.
    for place in image.parent.glob(f"*.{waiver.NAME}"):
        judgements.honour(judgement, waiver.Waiver.read(place))
    offer_if_wished(judgement.release)


def enqueue(release: Release) -> None:
    """Have a release audited that was not yet."""
    with transaction.atomic():
        if judgements.ask(release).state == Judging.WAITING:
            judge.enqueue(release.pk)


def offer_if_wished(release: Release) -> int:
    """Offer a release for whom that was too early before; say to how many devices."""
    wished_by = judgements.take_wish(release)
    return fleet.offer(release, by=wished_by).offered if wished_by else 0


def recover() -> None:
    """Queue every audit anew that is not over; called when the worker starts."""
    for judgement in Judgement.objects.filter(state__in=(Judging.WAITING, Judging.RUNNING)):
        Judgement.objects.filter(pk=judgement.pk).update(state=Judging.WAITING)
        judge.enqueue(judgement.release_id)
    for release in Release.objects.filter(judgement=None):
        enqueue(release)


class _Notes:
    """Writes progress down, but not more often than people look."""

    def __init__(self, judgement: Judgement) -> None:
        self._judgement, self._last = judgement, 0.0

    def __call__(self, stage: str, share: float) -> None:
        if monotonic() - self._last >= NOTED_EVERY_S:
            self._last = monotonic()
            judgements.note_progress(self._judgement, stage, share)


def _files(release: Release) -> tuple[Path, Path]:
    artifact = release.artifacts.get()
    image: Path = settings.HUB.repository / artifact.stored
    return image, image.with_name(f"{release.profile_sha256}.{PROFILE}")


def _database() -> Path | None:
    place: Path = settings.HUB.vulnerabilities
    return place if place.is_file() else None
