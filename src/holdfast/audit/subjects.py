"""Finds out what a path is that somebody wants judged: an image, a folder, a release of ours."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.audit.errors import SubjectError
from holdfast.audit.report.shapes import Subject
from holdfast.core.errors import HoldfastError
from holdfast.product.profile import Profile, parse

if TYPE_CHECKING:
    from holdfast.updates.bundle import Contents

_CHUNK_BYTES: Final = 1 << 20
_PROFILE: Final = "product.toml"
_LONGEST_PROFILE: Final = 1 << 20
_DESCRIPTION: Final = "release.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A subject that is ready to be judged.

    Attributes:
        subject: What it is.
        image: Descriptor of the image, open for reading; None for a folder.
        folder: The folder; None for an image.
        profile: Profile that came with it, if one did.
    """

    subject: Subject
    image: int | None
    folder: Path | None
    profile: Profile | None = None


def open_subject(path: Path, *, product: str = "") -> Opened:
    """Open what is to be judged.

    Args:
        path: An image file, a folder with a root file system, or the folder of a release.
        product: Id of the product, if a profile says it.

    Raises:
        SubjectError: It is missing, unreadable, or nothing of these.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise SubjectError(f"{path} cannot be opened: {error.strerror}") from error
    if stat.S_ISDIR(about.st_mode):
        if (path / _DESCRIPTION).is_file():
            return _release(path)
        name = path.resolve().name or "/"
        subject = Subject(name=name, kind="folder", product=product)
        return Opened(subject=subject, image=None, folder=path.resolve())
    if not stat.S_ISREG(about.st_mode):
        raise SubjectError(f"{path} is neither a file nor a folder")
    handle, digest, size = _image(path)
    subject = Subject(name=path.name, kind="image", sha256=digest, size_bytes=size, product=product)
    return Opened(subject=subject, image=handle, folder=None)


def _image(path: Path) -> tuple[int, str, int]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise SubjectError(f"{path} cannot be opened: {error.strerror}") from error
    digest = hashlib.sha256()
    size = 0
    try:
        while chunk := os.pread(handle, _CHUNK_BYTES, size):
            digest.update(chunk)
            size += len(chunk)
    except OSError as error:
        os.close(handle)
        raise SubjectError(f"{path} cannot be read: {error.strerror}") from error
    if not size:
        os.close(handle)
        raise SubjectError(f"{path} is empty")
    return handle, digest.hexdigest(), size


def _release(folder: Path) -> Opened:
    """Open the image of a release, with the profile that is signed with it."""
    from holdfast.updates.bundle import contents  # noqa: PLC0415 - few subjects are releases

    try:
        found = contents(folder)
    except HoldfastError as error:
        raise SubjectError(f"{folder} is not a readable release: {error}") from error
    release = found.release
    handle, digest, size = _image(folder / "targets" / release.path)
    if (digest, size) != (release.sha256, release.size_bytes):
        os.close(handle)
        raise SubjectError(f"{folder}: the image is not the one that the release describes")
    subject = Subject(
        name=release.artifact,
        kind="release",
        sha256=digest,
        size_bytes=size,
        product=release.product,
        version=str(release.version),
    )
    try:
        profile = _profile(folder, found)
    except SubjectError:
        os.close(handle)
        raise
    return Opened(subject=subject, image=handle, folder=None, profile=profile)


def _profile(folder: Path, found: "Contents") -> Profile | None:
    name = f"{found.release.path.rpartition('/')[0]}/{_PROFILE}"
    if name not in found.beside:
        return None
    path = folder / "targets" / name
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_PROFILE)
        return parse(text)
    except (OSError, HoldfastError) as error:
        raise SubjectError(f"{path}: {error}") from error
