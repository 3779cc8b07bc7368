"""Background work: the hub's own audit of releases, one at a time.

What waits stands in the table of judgements, not in a queue of its own: nothing can get lost
between the two, and what was asked for twice is done once. Only one worker runs per database, so
whatever is marked as running when it looks for work was cut off.
"""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import structlog
from django.conf import settings
from django.db import transaction

from holdfast import product
from holdfast.audit import apart
from holdfast.audit.child import Settings
from holdfast.core.errors import HoldfastError
from holdfast.hub.fleet import services as fleet
from holdfast.hub.releases import judgements
from holdfast.hub.releases.models import Artifact, Judgement, Release
from holdfast.hub.releases.services import PROFILE, repository

NOTED_EVERY_S = 0.5
MOST_TRIES = 3
"""So many audits of a release may be cut off before it is taken to be what ends the worker."""

log = structlog.get_logger()


def judge_next(*, wanted: Callable[[], bool] = lambda: True) -> bool:
    """Audit the release that has waited longest.

    Args:
        wanted: Is asked meanwhile whether to go on; if not, it is done anew the next time.

    Returns:
        Whether one waited.
    """
    judgement = judgements.oldest_waiting()
    if judgement is None:
        return False
    if judgement.tries >= MOST_TRIES:
        reason = f"its audit was cut off {judgement.tries} times; the log of the worker says more"
        judgements.give_up(judgement, reason)
        return True
    judgements.begin(judgement)
    try:
        _judge(judgement, wanted)
    except apart.StoppedError:
        judgements.put_back(judgement)
    except (HoldfastError, OSError, Artifact.DoesNotExist) as error:
        judgements.give_up(judgement, str(error))
    return True


def _judge(judgement: Judgement, wanted: Callable[[], bool]) -> None:
    """Audit the image of a release behind walls, keep the report, and offer it if that waits."""
    release = judgement.release
    image, profile = _files(release)
    how = Settings(
        profile=product.read(profile), database=_database(), cache=settings.HUB.audit_cache
    )
    signed = repository().waiver_of(release.product_id, release.version)
    report = apart.judge(image, how, progress=_Notes(judgement), wanted=wanted)
    with transaction.atomic():  # nobody is told of a refusal that was waived
        judgements.finish(judgement, report)
        if signed is not None:
            judgements.honour(judgement, signed)
    offer_if_wished(release)


@transaction.atomic
def offer_if_wished(release: Release) -> int:
    """Offer a release for whom that was too early before; say to how many devices."""
    wished_by = judgements.take_wish(release)
    return fleet.offer(release, by=wished_by).offered if wished_by else 0


def recover() -> None:
    """Do what a kill prevented, and have releases audited that came before there was a gate."""
    for release in Release.objects.filter(judgement=None):
        judgements.ask(release)
    for judgement in Judgement.objects.exclude(offer_by="").select_related("release"):
        offer_if_wished(judgement.release)
    judgements.sweep()


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
