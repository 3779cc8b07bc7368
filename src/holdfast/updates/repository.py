"""The hub's repository: what devices fetch, always whole, whatever happens to the power."""

import base64
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from holdfast.core.files import CHUNK_BYTES, full_disk_named, sync_folder, write_whole
from holdfast.updates import admission, waiver
from holdfast.updates.admission import Statements
from holdfast.updates.client import Client, folder_fetch
from holdfast.updates.errors import (
    MissingError,
    RepositoryError,
    RollbackError,
    TamperedError,
    UnknownReleaseError,
    UpdateError,
)
from holdfast.updates.inspection import Envelope, delegation_of, parse, products_of
from holdfast.updates.lifetimes import STANDARD, Lifetimes, most_bytes
from holdfast.updates.online import OnlineKeys
from holdfast.updates.plain import open_plain
from holdfast.updates.release import Release
from holdfast.updates.upstream import Metadata, MetaFile, Snapshot, Timestamp
from holdfast.updates.waiver import Waiver

_JOURNAL = "pending.json"
_REHEARSAL = "rehearsal-"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleStatus:
    """What is published of one role.

    Attributes:
        role: `root`, `targets`, `snapshot`, `timestamp`, or a product.
        version: Its version.
        expires: Moment after which devices refuse it.
        expired: Whether that moment has passed.
    """

    role: str
    version: int
    expires: datetime
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Published:
    statements: Statements
    snapshot: Envelope
    timestamp: Envelope


class Repository:
    """A folder with `metadata/` and `targets/`, from which any web server can serve devices.

    Every change goes through a lock file and a journal. A change that was cut off before its
    journal was whole has not happened; one that was cut off after is finished by `recover`, or by
    the next change.
    """

    def __init__(self, folder: Path, *, lifetimes: Lifetimes = STANDARD) -> None:
        """Name the folder; nothing is read yet."""
        self.folder = folder
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"
        self._lifetimes = lifetimes

    @property
    def exists(self) -> bool:
        """Tell whether there is a repository that devices can read."""
        return (self.metadata / "timestamp.json").exists()

    def initialise(self, files: Mapping[str, bytes], *, online: OnlineKeys, now: datetime) -> None:
        """Make the first repository from what the workshop signed.

        Args:
            files: Content by name: every root, the targets file, lists of products if any.
            online: The hub's keys, named by the root.
            now: The present moment.

        Raises:
            RepositoryError: There is a repository already.
            UpdateError: One of its kinds, saying what does not hold.
        """
        with self._locked():
            if self.exists:
                error = RepositoryError("This hub has a repository already.")
                error.hint = "Send newer roots and lists as a renewal instead."
                raise error
            self._commit(admission.admit(files, current=None, online=online, now=now), online, now)

    def renew(self, files: Mapping[str, bytes], *, online: OnlineKeys, now: datetime) -> bool:
        """Take in newer roots, targets or lists without a new release.

        Returns:
            Whether anything was new.

        Raises:
            UpdateError: One of its kinds, saying what does not hold.
        """
        with self._locked():
            before = self._read()
            after = admission.admit(files, current=before.statements, online=online, now=now)
            if after == before.statements:
                return False
            self._commit(after, online, now, before)
            return True

    def publish(self, bundle: Path, *, online: OnlineKeys, now: datetime) -> Release:
        """Take in one release with everything that belongs to it.

        Doing it twice is the same as doing it once, so that a hub that was cut off may try again.

        Args:
            bundle: Folder with `metadata/<name>` and `targets/<product>/<version>/<file>`.
            online: The hub's keys.
            now: The present moment.

        Returns:
            The release.

        Raises:
            RollbackError: A release of that version or a newer one has been published.
            UpdateError: One of its kinds, saying what does not hold.
            NoSpaceError: The disk is full; what was published before is untouched.
        """
        files = _metadata_in(bundle / "metadata")
        paths = _paths_in(bundle / "targets")
        with self._locked():
            before = self._read()
            after = admission.admit(files, current=before.statements, online=online, now=now)
            product = paths[0].split("/")[0]
            if product not in after.products:
                raise RepositoryError(f"The folder has no signed list of {product}.")
            listed = after.products[product]
            release = admission.the_release(listed, paths, now)
            if not self._must_be_new(release, before):
                return release
            # The image comes last: it being there says that the rest is there as well.
            for path in sorted(paths, key=lambda each: each == release.path):
                size_bytes, sha256, _ = admission.entry(listed, path)
                self._take(bundle / "targets" / path, path, sha256, size_bytes)
            self._commit(after, online, now, before)
            return release

    def refresh_timestamp(
        self, *, online: OnlineKeys, now: datetime, at_least: timedelta | None = None
    ) -> bool:
        """Say anew that the newest is the newest; to be called every few hours.

        The snapshot is signed anew as well when half of its life is over.

        Args:
            online: The hub's keys.
            now: The present moment.
            at_least: Leave the timestamp alone while it holds for longer than this.

        Returns:
            Whether something was signed.

        Raises:
            RepositoryError: There is no repository yet.
        """
        with self._locked():
            before = self._read()
            left = min(
                before.timestamp.expires - now,
                before.snapshot.expires - now - self._lifetimes.snapshot / 2,
            )
            if at_least is not None and left > at_least:
                return False
            self._commit(before.statements, online, now, before)
            return True

    def recover(self) -> None:
        """Finish what a power cut interrupted; to be called when the hub starts."""
        with self._locked():
            for folder in (self.folder, self.metadata):
                for leftover in folder.glob(".*"):
                    if leftover.is_file():
                        leftover.unlink()
            for folder in self.folder.glob(f"{_REHEARSAL}*"):
                shutil.rmtree(folder)
            for leftover in self.targets.glob("*/*/.*"):
                leftover.unlink()

    def status(self, now: datetime) -> list[RoleStatus]:
        """Return versions and expiries of every role, those that expire first in front.

        Raises:
            RepositoryError: There is no repository yet.
        """
        held = self._read()
        statements = held.statements
        envelopes = {
            "root": statements.root,
            "targets": statements.targets,
            "snapshot": held.snapshot,
            "timestamp": held.timestamp,
            **statements.products,
        }
        found = [
            RoleStatus(
                role=role, version=each.version, expires=each.expires, expired=now >= each.expires
            )
            for role, each in envelopes.items()
        ]
        return sorted(found, key=lambda each: each.expires)

    def releases(self) -> list[Release]:
        """Return the releases whose image is here, oldest first for each product."""
        return _releases_here(self._read().statements, self)

    def products(self) -> tuple[str, ...]:
        """Return the products for which somebody has a say."""
        return products_of(self._read().statements.targets)

    def stored(self, release: Release) -> Path:
        """Return where the image of a release lies."""
        return self.targets / _stored(release.path, release.sha256)

    def waiver_of(self, product: str, version: str) -> Waiver | None:
        """Read the waiver that was signed with a release; None if there is none.

        Raises:
            ReleaseError: It cannot be read, or is no waiver.
        """
        path = f"{product}/{version}/{waiver.NAME}"
        listed = self._read().statements.products.get(product)
        try:
            sha256 = admission.entry(listed, path)[1] if listed else ""
        except UnknownReleaseError:
            return None
        return Waiver.read(self.targets / _stored(path, sha256)) if sha256 else None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time, in this process and all others; finishes an old one first."""
        for folder in (self.folder, self.metadata, self.targets):
            folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._finish()
            yield

    def _read(self) -> _Published:
        """Read what devices see now, from the timestamp downwards."""
        try:
            return self._read_down()
        except FileNotFoundError as error:
            if not self.exists:
                refusal = RepositoryError("This hub has no repository yet.")
                refusal.hint = "Run `holdfast keys publish` in the maker's workshop first."
                raise refusal from error
            raise RepositoryError(f"The repository lacks a file: {error.filename}.") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise RepositoryError("The repository's own files make no sense.") from error

    def _read_down(self) -> _Published:
        def load(name: str, role: str, kind: str) -> Envelope:
            path = self.metadata / name
            return parse(path.read_bytes(), kind=kind, name=role)

        timestamp = load("timestamp.json", "timestamp", "timestamp")
        number = timestamp.body["meta"]["snapshot.json"]["version"]
        snapshot = load(f"{number}.snapshot.json", "snapshot", "snapshot")
        roots: list[Envelope] = []
        while (self.metadata / f"{len(roots) + 1}.root.json").exists():
            roots.append(load(f"{len(roots) + 1}.root.json", "root", "root"))
        lists = {}
        for name, meta in snapshot.body["meta"].items():
            role = name.removesuffix(".json")
            lists[role] = load(f"{meta['version']}.{name}", role, "targets")
        if not roots:
            raise RepositoryError("The repository lacks its first root.")
        targets = lists.pop("targets")
        return _Published(
            statements=Statements(roots=tuple(roots), targets=targets, products=lists),
            snapshot=snapshot,
            timestamp=timestamp,
        )

    def _must_be_new(self, release: Release, before: _Published) -> bool:
        """Refuse what is not newer than everything published; `False` if it is already here."""
        for each in _releases_here(before.statements, self):
            if each == release:
                return False
            if each.product == release.product and each.version >= release.version:
                raise RollbackError(
                    f"Version {release.version} is not newer than version {each.version} of "
                    f"{each.product}, which has been published."
                )
        return True

    def _take(self, source: Path, path: str, sha256: str, size_bytes: int) -> None:
        """Copy one file of a release, proving it while it is copied."""
        place = self.targets / _stored(path, sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        for folder in (place.parent.parent, self.targets):
            sync_folder(folder)
        part = place.with_name(f".{place.name}.part")
        try:
            with full_disk_named(place), _plain(source) as content, part.open("wb") as copy:
                _copy_proved(content, copy, path, sha256, size_bytes)
            part.replace(place)
        except BaseException:
            with suppress(FileNotFoundError):
                part.unlink()
            raise
        sync_folder(place.parent)

    def _commit(
        self,
        statements: Statements,
        online: OnlineKeys,
        now: datetime,
        before: _Published | None = None,
    ) -> None:
        """Sign snapshot and timestamp over the statements, and put everything in place."""
        admission.must_name(statements.root, online)
        snapshot = self._new_snapshot(statements, online, now, before)
        number = before.timestamp.version + 1 if before else 1
        timestamp = Metadata(
            Timestamp(
                version=number,
                expires=_seconds(now + self._lifetimes.timestamp),
                snapshot_meta=_meta(snapshot),
            )
        )
        timestamp.sign(online.timestamp.signer)
        files = statements.named()
        files[f"{snapshot.version}.snapshot.json"] = snapshot.raw
        files["timestamp.json"] = timestamp.to_bytes()
        known = before.statements.products if before else {}
        changed = [name for name, each in statements.products.items() if each != known.get(name)]
        self._rehearse(files, statements.roots[0], changed, now)
        had = set() if before is None else set(before.statements.named())
        new = {name: content for name, content in files.items() if name not in had}
        journal = [[name, base64.b64encode(content).decode()] for name, content in new.items()]
        write_whole(self.folder / _JOURNAL, json.dumps(journal).encode())
        self._finish()

    def _new_snapshot(
        self,
        statements: Statements,
        online: OnlineKeys,
        now: datetime,
        before: _Published | None,
    ) -> Envelope:
        meta = {f"{role}.json": _meta(each) for role, each in statements.products.items()}
        meta["targets.json"] = _meta(statements.targets)
        if before is not None:
            half_over = before.snapshot.expires - now < self._lifetimes.snapshot / 2
            same = {name: each.to_dict() for name, each in meta.items()}
            mine = delegation_of(statements.root, "snapshot").keys.keys()
            if (
                same == before.snapshot.body["meta"]
                and not half_over
                and mine == before.snapshot.signatures.keys()
            ):
                return before.snapshot
        signed = Metadata(
            Snapshot(
                version=before.snapshot.version + 1 if before else 1,
                expires=_seconds(now + self._lifetimes.snapshot),
                meta=meta,
            )
        )
        signed.sign(online.snapshot.signer)
        return parse(signed.to_bytes(), kind="snapshot")

    def _rehearse(
        self, files: Mapping[str, bytes], anchor: Envelope, products: list[str], now: datetime
    ) -> None:
        """Let a device's own code, starting from the very first root, read the new state."""

        def fetch(name: str, _limit_bytes: int) -> bytes:
            if name not in files:
                raise MissingError(f"There is no file {name}.")
            return files[name]

        for product in products:
            with TemporaryDirectory(dir=self.folder, prefix=_REHEARSAL) as trusted:
                (Path(trusted) / "root.json").write_bytes(anchor.raw)
                try:
                    Client(Path(trusted), fetch, now=now).refresh(product)
                except UpdateError as error:
                    raise RepositoryError(f"Devices would refuse the new state: {error}") from error

    def _finish(self) -> None:
        """Put in place what the journal holds, the timestamp last; harmless when repeated."""
        path = self.folder / _JOURNAL
        try:
            journal = json.loads(path.read_bytes())
        except FileNotFoundError:
            return
        for name, content in journal:
            write_whole(self.metadata / name, base64.b64decode(content))
        path.unlink()
        sync_folder(self.folder)


def _releases_here(statements: Statements, repository: Repository) -> list[Release]:
    found = [
        release
        for listed in statements.products.values()
        for release in admission.releases_of(listed).values()
        if repository.stored(release).exists()
    ]
    return sorted(found, key=lambda release: (release.product, release.version))


def _stored(path: str, sha256: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{sha256}.{name}"


def _meta(envelope: Envelope) -> MetaFile:
    return MetaFile(
        version=envelope.version,
        length=len(envelope.raw),
        hashes={"sha256": hashlib.sha256(envelope.raw).hexdigest()},
    )


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _metadata_in(folder: Path) -> dict[str, bytes]:
    fetch = folder_fetch(folder)
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise RepositoryError(f"The folder has no signed files: {error.strerror}.") from error
    return {name: fetch(name, most_bytes("")) for name in names}


def _paths_in(folder: Path) -> list[str]:
    found = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("*/*/*"))]
    if not found or len({path.rpartition("/")[0] for path in found}) != 1:
        raise RepositoryError("The folder must hold the files of one release.")
    return found


@contextmanager
def _plain(path: Path) -> Iterator[BinaryIO]:
    """Open a file that somebody else may have put there."""
    try:
        file = open_plain(path)
    except OSError as error:
        raise RepositoryError(f"{path.name} cannot be read: {error.strerror}.") from error
    with file:
        yield file


def _copy_proved(
    content: BinaryIO, copy: BinaryIO, path: str, sha256: str, size_bytes: int
) -> None:
    """Copy a file, refusing it when it is not the one that was signed."""
    digest, length = hashlib.sha256(), 0
    while length <= size_bytes and (chunk := content.read(CHUNK_BYTES)):
        length += len(chunk)
        digest.update(chunk)
        copy.write(chunk)
    if length != size_bytes or digest.hexdigest() != sha256:
        raise TamperedError(f"The file {path} is not the one that was signed.")
    copy.flush()
    os.fchmod(copy.fileno(), 0o644)
    os.fsync(copy.fileno())
