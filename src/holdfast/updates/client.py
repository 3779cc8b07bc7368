"""The device's side: python-tuf decides what is believed, this tells the owner why not.

Source:
    TUF specification, section 5, detailed client workflow.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NoReturn
from urllib.parse import unquote

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    RepositoryError,
)

from holdfast.core.errors import HoldfastError
from holdfast.core.files import CHUNK_BYTES, sha256_of, write_whole
from holdfast.updates import blame
from holdfast.updates.errors import (
    CutShortError,
    MetadataError,
    MissingError,
    TamperedError,
    TooLongError,
    UnknownReleaseError,
    UpdateError,
    WrongProductError,
)
from holdfast.updates.lifetimes import (
    ROOT_MOST_BYTES,
    ROOTS_MOST,
    SNAPSHOT_MOST_BYTES,
    TARGETS_MOST_BYTES,
    TIMESTAMP_MOST_BYTES,
    most_bytes,
)
from holdfast.updates.plain import open_plain
from holdfast.updates.release import Release, Version
from holdfast.updates.upstream import FetcherInterface, Targets, Updater, UpdaterConfig

Fetch = Callable[[str, int], bytes]
"""Returns the metadata file of a name, at most so many bytes; raises `MissingError`."""

NAME = re.compile(r"(?:([1-9][0-9]{0,8})\.)?([a-z][a-z0-9-]{0,31})\.json", re.ASCII)
"""Names of metadata files as they are served: `3.root.json`, `timestamp.json`."""

_BASE = "hub:/"
_CACHE = "tuf"
_FAULTS = (
    RepositoryError,
    DownloadError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    OverflowError,
    RuntimeError,
)


class _Source(FetcherInterface):
    """Fetches by name and remembers what came last, so that a refusal can be explained."""

    def __init__(self, fetch: Fetch) -> None:
        self._by_name = fetch
        self.name = ""
        self.content = b""
        self.failure: BaseException | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, most_bytes(""))

    def download_bytes(self, url: str, max_length: int) -> bytes:
        # The signed length is compared later, by the code that also compares the digest: so a
        # whole file of another moment is told from an endless one.
        del max_length
        name = unquote(url.removeprefix(_BASE))
        limit = most_bytes(role_of(name))
        self.name, self.content = name, b""
        try:
            self.content = self._by_name(name, limit)
        except MissingError as error:
            raise DownloadHTTPError(name, 404) from error
        except OSError as error:
            self.failure = error
            raise
        if len(self.content) > limit:
            raise TooLongError(
                f"The hub sends more than {limit} bytes for {name}, so it was cut off."
            )
        return self.content


class _DurableUpdater(Updater):
    """python-tuf's updater, whose files also survive a power cut."""

    def _persist_file(self, filename: str, data: bytes) -> None:
        write_whole(Path(filename), data)

    def _update_root_symlink(self) -> None:
        """Leave it out: it deletes before it writes, and nothing here reads `root.json`."""


def role_of(name: str) -> str:
    """Return the role in a name such as `3.root.json`."""
    found = NAME.fullmatch(name)
    return found.group(2) if found else ""


class Client:
    """What a device believes about the releases of its product.

    The folder holds `root.json`, the root that the device was made with, which is never changed,
    and below it what was learnt since.
    """

    def __init__(
        self,
        trusted: Path,
        fetch: Fetch,
        *,
        now: datetime,
        not_before: datetime | None = None,
    ) -> None:
        """Prepare; nothing is fetched yet.

        Args:
            trusted: Folder with `root.json`; must be writable.
            fetch: Gives a metadata file by name.
            now: What the clock of the device shows, aware.
            not_before: A moment that is known to have passed (see `time_floor`). A clock that
                shows an earlier time is not believed, so that a device without a battery for its
                clock cannot be held in the past.
        """
        self._trusted = trusted
        self._source = _Source(fetch)
        self._clock = now
        self._now = now if not_before is None else max(now, not_before)
        self._updater: Updater | None = None
        self._product = ""

    @property
    def now(self) -> datetime:
        """The moment against which expiry is judged."""
        return self._now

    def refresh(self, product: str) -> None:
        """Learn the newest list of releases of a product.

        Raises:
            UpdateError: One of its kinds, saying why the hub's files are not believed.
            NoSpaceError: The disk is full.
        """
        self._updater = None
        with self._explained():
            updater = self._begin()
            updater.refresh()
            known = updater._trusted_set  # noqa: SLF001 - python-tuf has no public way in
            delegations = known.targets.delegations
            if delegations is None or product not in (delegations.roles or {}):
                raise UnknownReleaseError(f"The manufacturer signs nothing for {product} here.")
            if f"{product}.json" not in known.snapshot.meta:
                raise UnknownReleaseError(f"There is no release of {product} yet.")
            updater.get_targetinfo(f"{product}/0.0/none")
            if product not in known:
                raise MetadataError(f"The list of {product} may not name its own releases.")
        self._updater, self._product = updater, product

    def release(self, path: str) -> Release:
        """Return a release of the product, as the manufacturer signed it.

        Args:
            path: `<product>/<version>/<file>`.

        Raises:
            WrongProductError: It is a path of another product.
            UnknownReleaseError: The manufacturer has not signed it.
            MetadataError: Its description makes no sense.
        """
        product = path.split("/", maxsplit=1)[0]
        mine = self._list()
        if product != self._product:
            raise WrongProductError(
                f"The hub offers software of the product {product[:40]}; "
                f"this device is a {self._product}."
            )
        # Only the product's own list counts, and there only what it was allowed to name.
        with self._explained():
            found = self._ready().get_targetinfo(path)
        if found is None or mine.targets.get(path) != found:
            raise UnknownReleaseError(
                f"The manufacturer has not signed a release named {path[:200]}."
            )
        return Release.from_target(path, found.length, found.hashes, found.custom)

    def releases(self) -> list[Release]:
        """Return every release on the list that this program can read, oldest first."""
        found = []
        for path, target in self._list().targets.items():
            if target.custom is None:
                continue
            try:
                found.append(Release.from_target(path, target.length, target.hashes, target.custom))
            except UpdateError:  # written for a newer program; `release` says so when asked
                continue
        return sorted(found, key=lambda release: release.version)

    def accept(
        self, path: str, *, product: str, hardware: str, current: Version, floor: Version
    ) -> Release:
        """Hold an offer against every rule that needs no look into the image itself.

        Raises:
            UpdateError: One of its kinds, saying why it is refused.
        """
        if path.split("/", maxsplit=1)[0] != product:
            raise WrongProductError(
                f"The hub offers software of the product {path.split('/', maxsplit=1)[0][:40]}; "
                f"this device is a {product}."
            )
        self.refresh(product)
        release = self.release(path)
        release.must_fit(product, hardware)
        release.must_follow(current, floor)
        release.must_be_fresh(self._now)
        return release

    def files(self) -> dict[str, bytes]:
        """Return the files that were believed, by the names under which they are served.

        A second client that starts from the same first root comes to the same opinion with them.
        """
        known = self._ready()._trusted_set  # noqa: SLF001 - see refresh
        cache = self._trusted / _CACHE
        found: dict[str, bytes] = {}
        for version in range(1, known.root.version + 1):
            path = cache / "root_history" / f"{version}.root.json"
            if path.exists():
                found[path.name] = path.read_bytes()
        found["timestamp.json"] = (cache / "timestamp.json").read_bytes()
        for role in ("snapshot", "targets", self._product):
            found[f"{known[role].version}.{role}.json"] = (cache / f"{role}.json").read_bytes()
        return found

    @property
    def time_floor(self) -> datetime | None:
        """A moment that has certainly passed: when the newest release was made.

        It is signed with keys that are not on the hub; a stolen hub cannot move it ahead.
        """
        return max((release.made for release in self.releases()), default=None)

    def _begin(self) -> Updater:
        folder = self._trusted / _CACHE
        try:
            anchor = (self._trusted / "root.json").read_bytes()
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise UpdateError(
                f"The files that this device trusts cannot be used: {error.strerror}."
            ) from error
        updater = _DurableUpdater(
            str(folder),
            _BASE,
            fetcher=self._source,
            config=UpdaterConfig(
                max_root_rotations=ROOTS_MOST,
                max_delegations=8,
                root_max_length=ROOT_MOST_BYTES,
                timestamp_max_length=TIMESTAMP_MOST_BYTES,
                snapshot_max_length=SNAPSHOT_MOST_BYTES,
                targets_max_length=TARGETS_MOST_BYTES,
            ),
            bootstrap=anchor,
        )
        # python-tuf asks the clock itself; a device's clock is not believed that easily.
        updater._trusted_set.reference_time = self._now  # noqa: SLF001 - no public way
        self._updater = updater
        return updater

    def _ready(self) -> Updater:
        if self._updater is None:
            raise UnknownReleaseError("The list of releases has not been fetched yet.")
        return self._updater

    def _list(self) -> Targets:
        known = self._ready()._trusted_set[self._product]  # noqa: SLF001 - see refresh
        if not isinstance(known, Targets):
            raise MetadataError(f"{self._product} is not a list of releases.")
        return known

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except HoldfastError:
            self._updater = None
            raise
        except _FAULTS as error:
            self._explain(error)
        except OSError as error:
            self._updater = None
            if error is self._source.failure:
                raise
            raise UpdateError(
                f"The files that this device trusts cannot be written: {error.strerror}."
            ) from error

    def _explain(self, error: Exception) -> NoReturn:
        known = self._updater._trusted_set if self._updater else None  # noqa: SLF001 - see refresh
        self._updater = None
        scene = blame.Scene(
            name=self._source.name,
            role=role_of(self._source.name),
            raw=self._source.content,
            known=known,
            clock=self._clock,
            now=self._now,
        )
        raise blame.ours(error, scene) from error


def folder_fetch(folder: Path) -> Fetch:
    """Make a `fetch` that reads from a folder which somebody else may have filled.

    Only plain files with names of metadata are read, links are not followed, nothing longer than
    allowed is read.
    """

    def fetch(name: str, limit_bytes: int) -> bytes:
        if NAME.fullmatch(name) is None:
            raise MissingError(f"{name[:80]!r} is not the name of a metadata file.")
        try:
            above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                file = open_plain(name, folder_fd=above)
            finally:
                os.close(above)
        except FileNotFoundError as error:
            raise MissingError(f"There is no file {name}.") from error
        except OSError as error:
            raise MetadataError(f"The file {name} cannot be read: {error.strerror}.") from error
        with file:
            content = file.read(limit_bytes + 1)
        if len(content) > limit_bytes:
            raise TooLongError(f"The file {name} is longer than {limit_bytes} bytes.")
        return content

    return fetch


def must_hold(release: Release, image: BinaryIO) -> None:
    """Refuse an image that is not, to the last byte, the one that was signed.

    Args:
        release: What was signed.
        image: Open at its beginning; read to its end.

    Raises:
        CutShortError: It ends too early.
        TooLongError: It goes on after its signed length.
        TamperedError: Its digest is another.
    """
    bounded = _Bounded(image, release.size_bytes)
    digest = sha256_of(bounded)  # type: ignore[arg-type]  # it only calls read
    if bounded.left:
        raise CutShortError(
            f"The image ended after {release.size_bytes - bounded.left} "
            f"of {release.size_bytes} bytes."
        )
    if image.read(1):
        raise TooLongError("The image is longer than the one that the manufacturer signed.")
    if digest != release.sha256:
        raise TamperedError("The downloaded file is not the one that the manufacturer signed.")


class _Bounded:
    """Reads at most so many bytes of a file."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file = file
        self.left = left

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        chunk = self._file.read(min(size, self.left))
        self.left -= len(chunk)
        return chunk
