"""A maker with a workshop, a hub with a repository, and devices that fetch from it."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.updates import bundle, keys
from holdfast.updates.client import Client, Fetch, folder_fetch
from holdfast.updates.errors import MissingError
from holdfast.updates.keys import Cost, KeyFile, SigningKey
from holdfast.updates.online import OnlineKeys
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.repository import Repository
from holdfast.updates.upstream import Metadata, MetaFile, Snapshot, Targets, Timestamp
from holdfast.updates.workshop import Start, Workshop

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHEAP = Cost(iterations=1, memory_kib=8, lanes=1)
PASSPHRASE = "only for tests"


@pytest.fixture(autouse=True, scope="module")
def _quick_disk() -> Iterator[None]:
    """Leave out the waits for the disk: no test here cuts the power of the machine itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@dataclass
class World:
    """Everything that takes part in an update, in one folder."""

    folder: Path
    now: datetime = NOW
    keys: dict[str, list[SigningKey]] = field(default_factory=dict)
    files: dict[str, list[KeyFile]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.online = OnlineKeys.make(self.folder / "online")
        self.repository = Repository(self.folder / "repository")

    def make_key(self, role: str) -> SigningKey:
        made = keys.make(
            self.folder / "workshop" / "keys", role=role, passphrase=PASSPHRASE, cost=CHEAP
        )
        opened = keys.load(made.path, PASSPHRASE, role=role)
        self.keys.setdefault(role, []).append(opened)
        self.files.setdefault(role, []).append(made)
        return opened

    def begin(self) -> None:
        """Make keys (2 of 3 root, 1 of 2 targets), a workshop, and sign what is in it."""
        for role, count in (("root", 3), ("targets", 2)):
            for _ in range(count):
                self.make_key(role)
        self.workshop = Workshop.init(
            self.folder / "workshop",
            Start(
                online=self.online.public_bytes(),
                root=[key.public for key in self.keys["root"]],
                targets=[key.public for key in self.keys["targets"]],
            ),
            now=self.now,
        )
        self.sign("root", 0, 1)
        self.sign("targets", 0)

    def sign(self, role: str, *numbers: int) -> bool:
        return [self.workshop.sign(role, self.keys[role][number]) for number in numbers][-1]

    def add_product(self, product: str, *, threshold: int = 1, count: int = 2) -> None:
        made = [self.make_key(product) for _ in range(count)]
        self.workshop.add_product(
            product, [key.public for key in made], threshold=threshold, now=self.now
        )
        self.sign("targets", 0)

    def initialise(self) -> None:
        self.repository.initialise(self.workshop.files(), online=self.online, now=self.now)

    def build(self, version: str, product: str = "camera", **changes: object) -> Path:
        image = self.folder / "image.squashfs"
        image.write_bytes(f"image of {product} {version}\n".encode() * 4000)
        profile = self.folder / "product.toml"
        profile.write_text(f'product = "{product}"\n')
        recipe: dict[str, object] = {
            "product": product,
            "hardware": ("a", "b"),
            "version": Version.parse(version),
            "floor": Version.parse("1.0"),
            "severity": Severity.HIGH,
            "notes": "Closes a hole in the web page.",
            "fixes": ("CVE-2026-1234",),
            "artifact": image,
            "profile": profile,
            **changes,
        }
        out = self.folder / "releases" / f"{product}-{version}"
        bundle.build(bundle.Recipe(**recipe), out, now=self.now)  # type: ignore[arg-type]  # mixed
        return out

    def signed(self, version: str, product: str = "camera", **changes: object) -> Path:
        """Build, and sign with the first key."""
        folder = self.build(version, product, **changes)
        bundle.sign(folder, self.workshop, self.keys[product][0], now=self.now)
        return folder

    def release(self, version: str, product: str = "camera", **changes: object) -> Release:
        """Build, sign with the first key, and publish."""
        return self.publish(self.signed(version, product, **changes))

    def newest(self, place: Repository, name: str) -> Release:
        """What a device that starts from the first root would install; its files must be there."""
        trusted = self.folder / name
        trusted.mkdir()
        (trusted / "root.json").write_bytes((place.metadata / "1.root.json").read_bytes())
        client = Client(trusted, folder_fetch(place.metadata), now=self.now)
        client.refresh("camera")
        release = client.releases()[-1]
        assert len(place.stored(release).read_bytes()) == release.size_bytes
        return release

    def publish(self, folder: Path) -> Release:
        return self.repository.publish(folder, online=self.online, now=self.now)

    def refresh_timestamp(self) -> None:
        self.repository.refresh_timestamp(online=self.online, now=self.now)

    def device(self, name: str = "device", *, root: int = 1) -> Path:
        """Make the folder of a device that was made with one version of the root."""
        trusted = self.folder / name
        trusted.mkdir()
        source = self.repository.metadata / f"{root}.root.json"
        (trusted / "root.json").write_bytes(source.read_bytes())
        return trusted

    def fetch(self) -> Fetch:
        return folder_fetch(self.repository.metadata)

    def client(
        self, trusted: Path, fetch: Fetch | None = None, *, not_before: datetime | None = None
    ) -> Client:
        return Client(trusted, fetch or self.fetch(), now=self.now, not_before=not_before)

    def served(self) -> dict[str, bytes]:
        """Return every metadata file of the repository by name."""
        return {
            path.name: path.read_bytes()
            for path in self.repository.metadata.iterdir()
            if path.name != "lock"
        }

    def stolen_hub(self, **lists: bytes) -> dict[str, bytes]:
        """Serve other lists, signed as new by the hub's real keys: all that a thief can do."""
        files = self.served()
        old_timestamp: Metadata[Timestamp] = Metadata.from_bytes(files["timestamp.json"])
        number = old_timestamp.signed.snapshot_meta.version
        snapshot: Metadata[Snapshot] = Metadata.from_bytes(files[f"{number}.snapshot.json"])
        for role, content in lists.items():
            version = json.loads(content)["signed"]["version"]
            snapshot.signed.meta[f"{role}.json"] = meta_of(content, version)
            files[f"{version}.{role}.json"] = content
        snapshot.signed.version = number + 1
        snapshot.sign(self.online.snapshot.signer)
        files[f"{number + 1}.snapshot.json"] = snapshot.to_bytes()
        old_timestamp.signed.snapshot_meta = meta_of(snapshot.to_bytes(), number + 1)
        old_timestamp.signed.version += 1
        old_timestamp.sign(self.online.timestamp.signer)
        files["timestamp.json"] = old_timestamp.to_bytes()
        return files

    def list_of(self, product: str = "camera") -> "Metadata[Targets]":
        """Return the newest published list of a product, to be forged."""
        version = max(
            int(path.name.split(".")[0])
            for path in self.repository.metadata.glob(f"*.{product}.json")
        )
        content = (self.repository.metadata / f"{version}.{product}.json").read_bytes()
        metadata: Metadata[Targets] = Metadata.from_bytes(content)
        metadata.signed.version += 1
        return metadata

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


def meta_of(content: bytes, version: int) -> MetaFile:
    sha256 = hashlib.sha256(content).hexdigest()
    return MetaFile(version=version, length=len(content), hashes={"sha256": sha256})


def fetch_from(files: dict[str, bytes]) -> Fetch:
    def fetch(name: str, limit_bytes: int) -> bytes:
        if name not in files:
            raise MissingError(f"There is no file {name}.")
        return files[name][: limit_bytes + 1]

    return fetch


@pytest.fixture(scope="session")
def serve() -> Callable[[dict[str, bytes]], Fetch]:
    """Make a fetch that serves these files."""
    return fetch_from


@pytest.fixture
def empty(tmp_path: Path) -> World:
    """A world without a workshop."""
    return World(tmp_path)


@pytest.fixture
def world(empty: World) -> World:
    """A world with one product and an empty repository."""
    empty.begin()
    empty.add_product("camera")
    empty.initialise()
    return empty


@pytest.fixture
def published(world: World) -> Release:
    """The newer one of two releases that the hub has."""
    world.release("1.0")
    return world.release("1.1")


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[[str], World]:
    """Make a world in a folder of its own."""

    def make(name: str) -> World:
        (tmp_path / name).mkdir()
        return World(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def make_settled() -> Callable[[Path], World]:
    """Make a world with two releases and two roots."""

    def make(folder: Path) -> World:
        found = World(folder)
        found.begin()
        found.add_product("camera")
        found.workshop.renew("root", now=found.now)
        found.sign("root", 0, 1, 2)
        found.initialise()
        found.release("1.0")
        found.release("1.1")
        return found

    return make
