"""The hub can be stolen: what lies below its state folder makes no device install anything."""

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from holdfast.updates.client import Client, folder_fetch
from holdfast.updates.errors import MissingError, UpdateError
from holdfast.updates.online import OnlineKeys
from holdfast.updates.upstream import (
    CryptoSigner,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

Maker = Any
Machine = Any
PRODUCT = "home-gateway"


def raw_of(signer: CryptoSigner) -> bytes:
    key = load_pem_private_key(signer.private_bytes, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key.private_bytes_raw()


def spellings(raw: bytes) -> list[bytes]:
    """Write a private key in every way in which a file could hold it."""
    return [
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        # Base64 of the key at each of the three places at which it can begin.
        *(base64.b64encode(bytes(shift) + raw)[8:-8] for shift in range(3)),
        *(base64.urlsafe_b64encode(bytes(shift) + raw)[8:-8] for shift in range(3)),
    ]


@pytest.fixture
def state(machine: Machine, maker: Maker) -> Path:
    """Give the state folder of a hub that has published two releases."""
    for version in ("1.0", "1.1"):
        assert machine.publish(maker, version, offer=True)[0] == 201
    folder: Path = settings.HUB.state
    return folder


def test_no_key_of_the_maker_lies_on_the_hub(state: Path, maker: Maker) -> None:
    theirs = [key.signer for key in (*maker.roots, maker.targets, *maker.signers)]
    sought = [spelling for signer in theirs for spelling in spellings(raw_of(signer))]
    files = [path for path in state.rglob("*") if path.is_file()]
    assert len(files) > 10
    private = []
    for path in files:
        content = path.read_bytes()
        assert not any(spelling in content for spelling in sought), path
        if b"PRIVATE" in content:
            private.append(path.relative_to(state).as_posix())
    assert sorted(private) == ["online-keys/snapshot.pem", "online-keys/timestamp.pem"]
    # The search itself finds what is there.
    online = OnlineKeys.load(state / "online-keys")
    pem = (state / "online-keys/snapshot.pem").read_bytes()
    assert any(
        spelling in pem.replace(b"\n", b"")
        for spelling in spellings(raw_of(online.snapshot.signer))
    )


class Thief:
    """Somebody with a copy of the whole state folder, and with the hub's place on the network."""

    def __init__(self, state: Path) -> None:
        self.served = {
            path.name: path.read_bytes() for path in (state / "repository/metadata").iterdir()
        }
        self.online = OnlineKeys.load(state / "online-keys")
        self.own = CryptoSigner(Ed25519PrivateKey.generate())
        self.signers = [self.online.snapshot.signer, self.online.timestamp.signer, self.own]

    def newest(self, role: str) -> tuple[int, bytes]:
        numbers = [
            int(name.split(".")[0]) for name in self.served if name.endswith(f".{role}.json")
        ]
        return max(numbers), self.served[f"{max(numbers)}.{role}.json"]

    def serve(self, role: str, forged: "Metadata[Any]", signers: list[CryptoSigner]) -> None:
        """Sign a list with whatever keys there are, and make it the newest."""
        for signer in signers:
            forged.sign(signer, append=True)
        self.served[f"{forged.signed.version}.{role}.json"] = forged.to_bytes()
        self.stamp(role, forged.signed.version)

    def stamp(self, role: str, version: int) -> None:
        number, raw = self.newest("snapshot")
        snapshot: Metadata[Snapshot] = Metadata.from_bytes(raw)
        if role != "root":
            content = self.served[f"{version}.{role}.json"]
            snapshot.signed.meta[f"{role}.json"] = meta_of(content, version)
        snapshot.signed.version = number + 1
        snapshot.sign(self.online.snapshot.signer)
        self.served[f"{number + 1}.snapshot.json"] = snapshot.to_bytes()
        timestamp: Metadata[Timestamp] = Metadata.from_bytes(self.served["timestamp.json"])
        timestamp.signed.snapshot_meta = meta_of(snapshot.to_bytes(), number + 1)
        timestamp.signed.version += 1
        timestamp.sign(self.online.timestamp.signer)
        self.served["timestamp.json"] = timestamp.to_bytes()

    def fetch(self, name: str, limit_bytes: int) -> bytes:
        if name not in self.served:
            raise MissingError(f"There is no file {name}.")
        return self.served[name][: limit_bytes + 1]


def meta_of(content: bytes, version: int) -> MetaFile:
    return MetaFile(version, len(content), {"sha256": hashlib.sha256(content).hexdigest()})


def evil_list(thief: Thief) -> "Metadata[Targets]":
    """Add a release 9.9 to the newest list of the product."""
    _number, raw = thief.newest(PRODUCT)
    forged: Metadata[Targets] = Metadata.from_bytes(raw)
    forged.signed.version += 1
    path, honest = next(
        (path, target)
        for path, target in forged.signed.targets.items()
        if "holdfast" in target.unrecognized_fields.get("custom", {})
    )
    name = path.rpartition("/")[2]
    evil = TargetFile.from_data(f"{PRODUCT}/9.9/{name}", b"evil image", ["sha256"])
    custom = copy.deepcopy(honest.unrecognized_fields["custom"])
    text = json.dumps(custom).replace('"1.0"', '"9.9"').replace('"1.1"', '"9.9"')
    evil.unrecognized_fields["custom"] = json.loads(text)
    forged.signed.targets[evil.path] = evil
    return forged


def with_all_keys(thief: Thief) -> None:
    """The product's list, signed with every key that the thief has."""
    thief.serve(PRODUCT, evil_list(thief), thief.signers)


def instead_of_theirs(thief: Thief) -> None:
    """The same without the signatures of the maker's people."""
    forged = evil_list(thief)
    forged.signatures.clear()
    thief.serve(PRODUCT, forged, thief.signers)


def by_own_delegation(thief: Thief) -> None:
    """A targets file that gives the product to the thief."""
    _number, raw = thief.newest("targets")
    targets: Metadata[Targets] = Metadata.from_bytes(raw)
    targets.signed.version += 1
    targets.signed.add_key(thief.own.public_key, PRODUCT)
    roles = cast("Any", targets.signed.delegations).roles
    roles[PRODUCT].threshold = 1
    thief.serve("targets", targets, thief.signers)
    thief.serve(PRODUCT, evil_list(thief), [thief.own])


def by_own_root(thief: Thief) -> None:
    """A root that gives everything to the thief."""
    number, raw = thief.newest("root")
    root: Metadata[Root] = Metadata.from_bytes(raw)
    root.signed.version = number + 1
    for role in ("root", "targets"):
        root.signed.roles[role].keyids.clear()
        root.signed.roles[role].threshold = 1
        root.signed.add_key(thief.own.public_key, role)
    thief.serve("root", root, thief.signers)
    by_own_delegation(thief)


def by_own_first_root(thief: Thief) -> None:
    """The very first root, replaced."""
    root: Metadata[Root] = Metadata.from_bytes(thief.served["1.root.json"])
    root.signed.roles["targets"].keyids.clear()
    root.signed.add_key(thief.own.public_key, "targets")
    root.signed.roles["targets"].threshold = 1
    thief.serve("root", root, thief.signers)
    by_own_delegation(thief)


@pytest.fixture
def device(state: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Make the trusted folder of a device from the factory."""

    def make(name: str) -> Path:
        trusted = tmp_path / name
        trusted.mkdir()
        anchor = (state / "repository/metadata/1.root.json").read_bytes()
        (trusted / "root.json").write_bytes(anchor)
        return trusted

    return make


@pytest.mark.parametrize(
    "attack", [with_all_keys, instead_of_theirs, by_own_delegation, by_own_root, by_own_first_root]
)
def test_nothing_on_the_hub_makes_a_device_accept_a_release(
    state: Path, device: Callable[[str], Path], attack: Callable[[Thief], None]
) -> None:
    now = datetime.now(tz=UTC) + timedelta(seconds=1)
    used = device("used")
    honest = Client(used, folder_fetch(state / "repository/metadata"), now=now)
    honest.refresh(PRODUCT)
    assert [str(each.version) for each in honest.releases()] == ["1.0", "1.1"]
    thief = Thief(state)
    attack(thief)
    for trusted in (used, device("fresh")):
        attacked = Client(trusted, thief.fetch, now=now)
        with pytest.raises(UpdateError) as caught:
            attacked.refresh(PRODUCT)
        assert caught.value.hint
        assert "9.9" not in versions_of(attacked)
        assert b"9.9" not in b"".join(kept(trusted))


def test_the_attack_would_succeed_with_the_makers_keys(
    state: Path, maker: Maker, device: Callable[[str], Path]
) -> None:
    thief = Thief(state)
    thief.serve(PRODUCT, evil_list(thief), [key.signer for key in maker.signers])
    fooled = Client(device("fooled"), thief.fetch, now=datetime.now(tz=UTC) + timedelta(seconds=1))
    fooled.refresh(PRODUCT)
    assert "9.9" in versions_of(fooled)


def versions_of(client: Client) -> list[str]:
    try:
        return [str(each.version) for each in client.releases()]
    except UpdateError:
        return []


def kept(trusted: Path) -> Iterator[bytes]:
    for path in trusted.rglob("*"):
        if path.is_file():
            yield path.read_bytes()
