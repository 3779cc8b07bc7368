"""Every write about releases; one transaction each.

The signed lists in the repository are what devices believe; the tables follow them. A publication
first goes into the repository, which takes it whole or not at all, and then into the tables. If
the power fails in between, the next start (or the same publication once more) makes up for it.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction

from holdfast.core.clock import now
from holdfast.core.errors import HoldfastError
from holdfast.hub.config import HubConfig
from holdfast.hub.errors import BadRequestError, TooLargeError, UploadError
from holdfast.hub.moments import now_ms, to_ms
from holdfast.hub.products.services import LARGEST_PROFILE_BYTES, take_profile
from holdfast.hub.releases import judgements
from holdfast.hub.releases.models import Artifact, Release
from holdfast.hub.releases.uploads import Uploads
from holdfast.hub.staff.models import Entry
from holdfast.hub.staff.services import SYSTEM, record
from holdfast.hub.state import alone
from holdfast.product import parse
from holdfast.updates import release as signed
from holdfast.updates import waiver
from holdfast.updates.client import NAME
from holdfast.updates.digests import Digests, digests_of
from holdfast.updates.errors import WrongProductError
from holdfast.updates.online import OnlineKeys
from holdfast.updates.repository import Repository

PROFILE = "product.toml"
TRUSTED = "repository.trusted"
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_PATH_PARTS = 3
log = structlog.get_logger()


def online_keys(config: HubConfig) -> OnlineKeys:
    """Load the snapshot and timestamp keys; make them the first time.

    Raises:
        KeyFileError: They are there and cannot be used.
    """
    with alone(config):
        if any(config.online_keys.glob("*.pem")):
            return OnlineKeys.load(config.online_keys)
        return OnlineKeys.make(config.online_keys)


def repository() -> Repository:
    """Return the hub's repository."""
    return Repository(settings.HUB.repository)


def uploads() -> Uploads:
    """Return the folder of files that wait for a release."""
    return Uploads(settings.HUB.uploads, limit_bytes=settings.HUB.upload_limit_bytes)


def take_lists(metadata: Mapping[str, bytes], *, by: str) -> bool:
    """Take in the maker's root, targets and product lists without a release.

    The first root is trusted on first use, because whoever calls holds a token. From then on only
    a chain of valid roots changes anything, whatever token is shown.

    Args:
        metadata: Signed files by name.
        by: Who sent them.

    Returns:
        Whether this was the first time.

    Raises:
        UpdateError: They are not valid.
    """
    _must_be_names(metadata)
    place, keys = repository(), online_keys(settings.HUB)
    if not place.exists:
        place.initialise(metadata, online=keys, now=now())
        _note_trust(by=by)
        return True
    if place.renew(metadata, online=keys, now=now()):
        record(by=by, what="repository.changed", facts={"files": sorted(metadata)})
    return False


def _note_trust(*, by: str) -> None:
    root = (repository().metadata / "1.root.json").read_bytes()
    facts = {"first_root_sha256": hashlib.sha256(root).hexdigest()}
    record(by=by, what=TRUSTED, facts=facts)


def publish(metadata: Mapping[str, bytes], files: Mapping[str, str], *, by: str) -> Release:
    """Take in a signed release: verify it, put it into the repository, enter it in the tables.

    Args:
        metadata: Signed files by name.
        files: SHA-256 of each uploaded file by its target path.
        by: Who sent it.

    Returns:
        The release; the same one if it was here already.

    Raises:
        UploadError: A file that it names was not uploaded.
        ProfileError: The profile in it has faults.
        WrongProductError: The profile in it is of another product.
        ReleaseError: The waiver in it makes no sense.
        UpdateError: A signature, digest, version or name is not right.
    """
    _must_be_names(metadata)
    for path, sha256 in files.items():
        _must_be_path(path)
        if not uploads().has(sha256):
            raise UploadError(f"the file for {path} has not been uploaded")
        if path.endswith(f"/{PROFILE}"):
            _must_describe(uploads().path(sha256), path.split("/")[0])
        if path.endswith(f"/{waiver.NAME}"):
            waiver.Waiver.read(uploads().path(sha256))
    with tempfile.TemporaryDirectory(dir=settings.HUB.state, prefix="bundle-") as folder:
        _lay_out(Path(folder), metadata, files)
        published = repository().publish(Path(folder), online=online_keys(settings.HUB), now=now())
    stored = enter(published, by=by)
    uploads().drop(set(files.values()))
    return stored


def _must_describe(profile: Path, product: str) -> None:
    """Refuse a profile that nobody can read, or of another product, before lists name it.

    Whoever signs for one product has no say in what the hub believes about another.
    """
    with profile.open("rb") as file:
        content = file.read(LARGEST_PROFILE_BYTES + 1)
    if len(content) > LARGEST_PROFILE_BYTES:
        raise TooLargeError(f"a product profile has up to {LARGEST_PROFILE_BYTES} bytes")
    described = parse(content).identity.product
    if described != product:
        error = WrongProductError(f"The profile in this release of {product} is of {described}.")
        error.hint = f"Build the release again with the product.toml of {product}."
        raise error


def enter(published: signed.Release, *, by: str) -> Release:
    """Enter a release that is in the repository in the tables, unless it is there."""
    known = Release.objects.filter(
        product_id=published.product, number=published.version.number
    ).first()
    if known is not None:
        return known
    place = repository().stored(published)
    # Hashing a large image takes seconds: not while the database is held.
    with place.open("rb") as image:
        digests = digests_of(image)
    return _enter(published, place, digests, by=by)


@transaction.atomic
def _enter(published: signed.Release, place: Path, digests: Digests, *, by: str) -> Release:
    profile = place.with_name(f"{published.profile_sha256}.{PROFILE}")
    _must_describe(profile, published.product)
    product = take_profile(profile.read_bytes(), by=by)
    stored, made = Release.objects.get_or_create(
        product=product,
        number=published.version.number,
        defaults={
            "version": str(published.version),
            "severity": str(published.severity),
            "notes": published.notes,
            "fixes": list(published.fixes),
            "hardware": list(published.hardware),
            "floor": str(published.floor),
            "made_ms": to_ms(published.made),
            "expires_ms": to_ms(published.expires),
            "published_ms": now_ms(),
            "profile_sha256": published.profile_sha256,
            "sbom_sha256": published.sbom_sha256 or "",
            "audit_sha256": published.audit_sha256 or "",
        },
    )
    if not made:
        return stored
    Artifact.objects.create(
        release=stored,
        name=published.product,
        version=str(published.version),
        filename=published.artifact,
        size_bytes=digests.size_bytes,
        sha256=digests.sha256,
        sha1=digests.sha1,
        md5=digests.md5,
        stored=place.relative_to(settings.HUB.repository).as_posix(),
    )
    facts = {"sha256": digests.sha256, "size_bytes": digests.size_bytes}
    record(by=by, what="release.published", subject=str(stored), facts=facts)
    judgements.ask(stored)
    return stored


def recover() -> None:
    """Finish what a power cut interrupted; called when the hub starts.

    Raises:
        UpdateError: The repository is damaged.
    """
    config: HubConfig = settings.HUB
    online_keys(config)
    uploads().sweep()
    unfinished = (
        *config.state.glob("bundle-*"),
        *config.state.glob(f".{config.online_keys.name}.*"),
    )
    for leftover in (*unfinished, *config.uploads.glob("*.part")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)
    place = repository()
    if not place.exists:
        return
    place.recover()
    if not Entry.objects.filter(what=TRUSTED).exists():
        _note_trust(by=SYSTEM)
    for published in place.releases():
        try:
            enter(published, by=SYSTEM)
        except HoldfastError as error:
            # One release that does not fit must not keep the hub from serving all others.
            log.error("release.not_entered", release=published.path, reason=str(error))  # noqa: TRY400


def _must_be_names(metadata: Mapping[str, bytes]) -> None:
    for name in metadata:
        if NAME.fullmatch(name) is None:
            raise BadRequestError(f"{name[:80]!r} is not the name of a signed list")


def _must_be_path(path: str) -> None:
    parts = path.split("/")
    if len(parts) != _PATH_PARTS or not all(_FILE.fullmatch(part) for part in parts):
        raise BadRequestError(f"{path[:200]!r} is not <product>/<version>/<file>")


def _lay_out(folder: Path, metadata: Mapping[str, bytes], files: Mapping[str, str]) -> None:
    """Lay out a release as the repository wants to see it, without copying its files."""
    lists = folder / "metadata"
    lists.mkdir()
    for name, content in metadata.items():
        (lists / name).write_bytes(content)
    for path, sha256 in files.items():
        place = folder / "targets" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(uploads().path(sha256), place)
        except FileNotFoundError as error:
            raise UploadError(f"the file for {path} is no longer here") from error
