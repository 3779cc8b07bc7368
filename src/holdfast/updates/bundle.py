"""The folder of one release: built from an image, signed by people, published to a hub.

`release.json` says what is to be signed, `targets/` holds the files, `metadata/` what is signed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, BinaryIO

from holdfast.core.files import CHUNK_BYTES, full_disk_named, sha256_of, sync_folder, write_whole
from holdfast.updates.admission import entry
from holdfast.updates.admission import read as read_signed
from holdfast.updates.client import folder_fetch
from holdfast.updates.errors import (
    MissingError,
    ReleaseError,
    TamperedError,
    UnknownReleaseError,
    WorkshopError,
)
from holdfast.updates.inspection import Envelope, delegation_of, must_be_signed
from holdfast.updates.keys import SigningKey
from holdfast.updates.lifetimes import RELEASE, most_bytes
from holdfast.updates.plain import open_plain
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.waiver import NAME, Waiver
from holdfast.updates.workshop import Workshop

SCHEMA = 1
_SAYS = "release.json"
_SAYS_MOST_BYTES = 128 * 1024
_SIDE_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What goes into a release.

    Attributes:
        product: Id of the product, as its profile says.
        hardware: Revisions that it fits.
        version: Its version.
        floor: Security floor that devices keep to once they have confirmed it.
        severity: How urgent it is.
        notes: What changes, in plain words.
        fixes: CVE ids that it closes.
        artifact: The image.
        profile: The product profile, signed with it.
        sbom: List of components, if there is one.
        audit: Audit report, if there is one.
        lifetime: How long it may be installed.
    """

    product: str
    hardware: tuple[str, ...]
    version: Version
    floor: Version
    severity: Severity
    notes: str
    fixes: tuple[str, ...]
    artifact: Path
    profile: Path
    sbom: Path | None = None
    audit: Path | None = None
    lifetime: timedelta = RELEASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a release folder holds.

    Attributes:
        release: The release.
        beside: Length and SHA-256 of the files beside the image, by path.
    """

    release: Release
    beside: Mapping[str, tuple[int, str]]

    def files(self) -> dict[str, tuple[int, str]]:
        """Return length and SHA-256 of every file by path, the image last."""
        image = {self.release.path: (self.release.size_bytes, self.release.sha256)}
        return {**self.beside, **image}


def build(recipe: Recipe, out: Path, *, now: datetime) -> Release:
    """Make the folder of a release; it is there whole, or not at all.

    Raises:
        ReleaseError: The image or another file is missing, empty or unreadable, the description
            makes no sense, or the folder exists already.
        NoSpaceError: The disk is full.
    """
    if out.exists():
        error = ReleaseError(f"The folder {out} exists already.")
        error.hint = "Give another folder with --out, or remove that one."
        raise error
    out.parent.mkdir(parents=True, exist_ok=True)
    with full_disk_named(out):
        rough = Path(mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            release = _fill(recipe, rough, now.astimezone(UTC).replace(microsecond=0))
            rough.chmod(0o755)
            rough.rename(out)
        except BaseException:
            shutil.rmtree(rough, ignore_errors=True)
            raise
    sync_folder(out.parent)
    return release


def contents(folder: Path) -> Contents:
    """Read what a release folder says of itself.

    Raises:
        ReleaseError: It is not a release folder.
        MetadataError: Its description makes no sense.
    """
    try:
        with (folder / _SAYS).open("rb") as file:
            says: dict[str, Any] = json.loads(file.read(_SAYS_MOST_BYTES))
        if says["schema"] != SCHEMA:
            raise ValueError  # noqa: TRY301 - becomes ours below
        path, length, sha256, custom = (
            says[name] for name in ("path", "length", "sha256", "custom")
        )
        beside = {str(name): (int(size), str(digest)) for name, size, digest in says["beside"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        refusal = ReleaseError(f"{folder} is not the folder of a release.")
        refusal.hint = "Make one with `holdfast release build`."
        raise refusal from error
    release = Release.from_target(path, length, {"sha256": sha256}, custom)
    return Contents(release=release, beside=beside)


def sign(
    folder: Path,
    workshop: Workshop,
    key: SigningKey,
    *,
    now: datetime,
    discard_draft: bool = False,
    judged: Contents | None = None,
) -> bool:
    """Sign a release with one key, and put beside it all that a hub needs.

    Args:
        folder: The folder of the release.
        workshop: The maker's workshop.
        key: Of the product.
        now: The present moment.
        discard_draft: Give up another release that waits for signatures.
        judged: What was shown and audited; the folder must not hold anything else by now.

    Returns:
        Whether it now has all the signatures that it needs.

    Raises:
        TamperedError: A file was changed since the release was built.
        ForeignKeyError: The key has no say in the product.
        RollbackError: The product's list has that version or a newer one.
        WorkshopError: Something else waits for signatures first.
    """
    held = contents(folder)
    if judged is not None and judged != held:
        raise changed(_SAYS)
    product = held.release.product
    if key.public.role != product:
        error = WorkshopError(
            f"The key {key.public.keyid[:12]} was made for {key.public.role}, "
            f"but this is a release of {product}."
        )
        error.hint = f"Sign with a key of {product}; `holdfast keys status` lists them."
        raise error
    must_be_unchanged(folder, held)
    workshop.take_in(metadata(folder))
    workshop.stage_release(held.release, held.beside, now=now, discard_draft=discard_draft)
    complete = workshop.sign(product, key)
    export(folder, workshop, product)
    return complete


def export(folder: Path, workshop: Workshop, product: str) -> None:
    """Put into a release folder what the workshop has signed."""
    place = folder / "metadata"
    place.mkdir(exist_ok=True)
    files = workshop.files(product)
    for name, content in files.items():
        write_whole(place / name, content)
    for path in place.iterdir():
        if path.name not in files:
            path.unlink()
    sync_folder(folder)


def metadata(folder: Path) -> dict[str, bytes]:
    """Read the signed files of a release folder by name; none before it is signed."""
    place = folder / "metadata"
    if not place.is_dir():
        return {}
    fetch = folder_fetch(place)
    names = sorted(path.name for path in place.iterdir() if not path.name.startswith("."))
    try:
        return {name: fetch(name, most_bytes("")) for name in names}
    except MissingError as error:
        raise ReleaseError(f"{place} has a file that does not belong there: {error}") from error


def waive(folder: Path, waiver: Waiver) -> Contents:
    """Put a waiver among the files that are going to be signed.

    Returns:
        What the folder now holds.

    Raises:
        ReleaseError: Somebody signed it already, without the waiver.
    """
    held = contents(folder)
    if metadata(folder):
        error = ReleaseError("Somebody has signed this release already, without a waiver.")
        error.hint = "Build it again; the waiver must be there before the first signature."
        raise error
    path = f"{held.release.product}/{held.release.version}/{NAME}"
    content = waiver.encode()
    write_whole(folder / "targets" / path, content)
    beside = {**held.beside, path: (len(content), hashlib.sha256(content).hexdigest())}
    says = json.loads((folder / _SAYS).read_bytes())
    says["beside"] = [[name, *facts] for name, facts in beside.items()]
    write_whole(folder / _SAYS, json.dumps(says, indent=2).encode() + b"\n")
    return contents(folder)


def waiver_of(folder: Path, held: Contents) -> Waiver | None:
    """Read the waiver of a release, if it has one."""
    path = f"{held.release.product}/{held.release.version}/{NAME}"
    return Waiver.read(folder / "targets" / path) if path in held.beside else None


def is_signed(folder: Path, held: Contents, workshop: Workshop) -> bool:
    """Tell whether somebody with a say has signed just what a release folder holds now."""
    product = held.release.product
    for listed in read_signed(metadata(folder)).get(product, {}).values():
        if workshop.is_ours(product, listed) and _lists(listed, held):
            return True
    return False


def _lists(listed: Envelope, held: Contents) -> bool:
    try:
        return all(entry(listed, path)[:2] == facts for path, facts in held.files().items())
    except UnknownReleaseError:
        return False


def must_be_unchanged(folder: Path, held: Contents) -> None:
    """Refuse a folder whose files are not the ones that it was built from.

    Raises:
        TamperedError: A file was changed.
        ReleaseError: A file is missing or unreadable.
    """
    for path, (size_bytes, sha256) in held.files().items():
        with opened(folder / "targets" / path) as file:
            found = sha256_of(file)
            if found != sha256 or file.tell() != size_bytes:
                raise changed(path)


def changed(path: str) -> TamperedError:
    """Make the refusal of a file that is not the one that was built."""
    error = TamperedError(f"The file {path} was changed since the release was built.")
    error.hint = "Build the release again, under a higher version if it was signed already."
    return error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file for reading.

    Raises:
        ReleaseError: It is missing, unreadable, or no plain file.
    """
    try:
        file = open_plain(path, follow=True)
    except OSError as error:
        refusal = ReleaseError(f"The file {path} cannot be read: {error.strerror}.")
        refusal.hint = "Check the path, and that you may read the file."
        raise refusal from error
    with file:
        yield file


def _fill(recipe: Recipe, rough: Path, made: datetime) -> Release:
    base = f"{recipe.product}/{recipe.version}"
    place = rough / "targets" / base
    place.mkdir(parents=True)
    sides = {"product.toml": recipe.profile, "sbom.json": recipe.sbom, "audit.json": recipe.audit}
    beside = {
        name: _copy(source, place / name, _SIDE_MOST_BYTES)
        for name, source in sides.items()
        if source is not None
    }
    size_bytes, sha256 = _copy(recipe.artifact, place / recipe.artifact.name, None)
    release = Release(
        product=recipe.product,
        version=recipe.version,
        hardware=recipe.hardware,
        floor=recipe.floor,
        severity=recipe.severity,
        notes=recipe.notes,
        fixes=recipe.fixes,
        artifact=recipe.artifact.name,
        size_bytes=size_bytes,
        sha256=sha256,
        made=made,
        expires=made + recipe.lifetime,
        profile_sha256=beside["product.toml"][1],
        sbom_sha256=beside["sbom.json"][1] if "sbom.json" in beside else None,
        audit_sha256=beside["audit.json"][1] if "audit.json" in beside else None,
    )
    says = {
        "schema": SCHEMA,
        "path": release.path,
        "length": size_bytes,
        "sha256": sha256,
        "custom": release.to_custom(),
        "beside": [[f"{base}/{name}", *facts] for name, facts in beside.items()],
    }
    write_whole(rough / _SAYS, json.dumps(says, indent=2).encode() + b"\n")
    return release


def _copy(source: Path, place: Path, most: int | None) -> tuple[int, str]:
    digest, size_bytes = hashlib.sha256(), 0
    if place.exists():
        raise ReleaseError(f"The image may not be called {place.name}.")
    with opened(source) as content, place.open("xb") as copy:
        while chunk := content.read(CHUNK_BYTES):
            size_bytes += len(chunk)
            if most is not None and size_bytes > most:
                raise ReleaseError(f"The file {source} is too long for what it is to be.")
            digest.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    if not size_bytes:
        raise ReleaseError(f"The file {source} is empty.")
    return size_bytes, digest.hexdigest()


def must_be_complete(folder: Path, held: Contents) -> None:
    """Refuse a folder that no hub would take, before a long upload.

    Raises:
        ReleaseError: It has not been signed at all.
        BelowThresholdError: Signatures are missing.
        UpdateError: Another of its kinds, saying what does not hold.
    """
    product = held.release.product
    by_role = read_signed(metadata(folder))
    if not {"root", "targets", product} <= by_role.keys():
        error = ReleaseError("The release has not been signed yet.")
        error.hint = f"Run `holdfast release sign {folder}` first."
        raise error
    root, targets, listed = (
        by_role[role][max(by_role[role])] for role in ("root", "targets", product)
    )
    must_be_signed(targets, delegation_of(root, "targets"))
    must_be_signed(listed, delegation_of(targets, product))
    for path, (size_bytes, sha256) in held.files().items():
        if entry(listed, path)[:2] != (size_bytes, sha256):
            raise changed(path)
