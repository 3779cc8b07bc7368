"""The hub's repository: nothing wrong gets in, and nothing half is ever served."""

import hashlib
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.formats import encode_canonical

from holdfast.updates import bundle
from holdfast.updates.errors import (
    BelowThresholdError,
    ExpiredError,
    ForeignKeyError,
    MetadataError,
    MixedMetadataError,
    ReleaseError,
    RepositoryError,
    RollbackError,
    TamperedError,
    TooLongError,
    UnknownReleaseError,
    UpdateError,
    WrongProductError,
)
from holdfast.updates.online import OnlineKeys
from holdfast.updates.release import Severity, Version
from holdfast.updates.repository import Repository
from holdfast.updates.upstream import Metadata, Root, SSlibKey, TargetFile, Targets

World = Any  # the class in conftest.py, which cannot be imported


def test_a_release_is_taken_in_once(world: World) -> None:
    folder = world.signed("1.0")
    release = world.publish(folder)
    before = world.served()
    assert world.publish(folder) == release
    assert world.served() == before
    assert world.repository.releases() == [release]
    place = world.repository.stored(release).parent
    assert sorted(path.name.split(".", 1)[1] for path in place.iterdir()) == [
        "image.squashfs",
        "product.toml",
    ]


def test_the_repository_begins_once(world: World) -> None:
    with pytest.raises(RepositoryError, match="already"):
        world.initialise()


def test_a_hub_without_a_repository_says_so(empty: World) -> None:
    empty.begin()
    with pytest.raises(RepositoryError, match="no repository yet"):
        empty.refresh_timestamp()
    with pytest.raises(RepositoryError, match="no repository yet"):
        empty.repository.status(empty.now)


def test_old_and_equal_versions_are_refused(world: World) -> None:
    early = world.signed("1.1")
    late = world.signed("1.2")
    world.publish(late)
    with pytest.raises(RollbackError, match=r"1\.1 is not newer than version 1\.2"):
        world.publish(early)


def test_a_file_that_was_changed_is_refused(world: World) -> None:
    folder = world.signed("1.0")
    image = folder / "targets/camera/1.0/image.squashfs"
    content = image.read_bytes()
    for forged in (content[:-1], content + b"x", b"X" + content[1:], b""):
        image.write_bytes(forged)
        with pytest.raises(TamperedError):
            world.publish(folder)
    image.unlink()
    image.symlink_to("/etc/passwd")
    with pytest.raises(RepositoryError):
        world.publish(folder)
    image.unlink()
    with pytest.raises(ReleaseError, match="signed release"):
        world.publish(folder)
    assert world.repository.releases() == []
    assert not list(world.repository.targets.rglob(".*"))
    image.write_bytes(content)
    assert world.publish(folder)


def test_files_that_do_not_belong_are_refused(world: World) -> None:
    folder = world.signed("1.0")
    (folder / "targets/camera/1.0/extra").write_text("x")
    with pytest.raises(ReleaseError, match="extra"):
        world.publish(folder)
    (folder / "targets/camera/1.0/extra").unlink()
    (folder / "targets/camera/1.1").mkdir()
    (folder / "targets/camera/1.1/image").write_text("x")
    with pytest.raises(RepositoryError, match="one release"):
        world.publish(folder)


def forge(folder: Path, change: Callable[[Targets], None], *keys: Any) -> None:  # noqa: ANN401
    """Alter the list in a release folder, and sign it by these keys."""
    (path,) = (folder / "metadata").glob("*.camera.json")
    forged: Metadata[Targets] = Metadata.from_bytes(path.read_bytes())
    change(forged.signed)
    forged.signatures.clear()
    for key in keys:
        forged.sign(key.signer, append=True)
    path.write_bytes(forged.to_bytes())


def test_signatures_are_judged(world: World) -> None:
    folder = world.signed("1.0")

    def nothing(_: Targets) -> None:
        pass

    forge(folder, nothing, world.make_key("doorbell"))
    with pytest.raises(ForeignKeyError):
        world.publish(folder)
    forge(folder, nothing)
    with pytest.raises(BelowThresholdError):
        world.publish(folder)
    forge(folder, nothing, world.keys["camera"][1])
    assert world.publish(folder)


def test_a_threshold_is_kept(empty: World) -> None:
    empty.begin()
    empty.add_product("camera", threshold=2)
    empty.initialise()
    folder = empty.signed("1.0")
    with pytest.raises(BelowThresholdError, match="1 of the 2"):
        empty.publish(folder)
    bundle.sign(folder, empty.workshop, empty.keys["camera"][1], now=empty.now)
    assert empty.publish(folder)


def test_a_product_stays_within_its_paths(world: World) -> None:
    folder = world.signed("1.0")

    def reach_out(listed: Targets) -> None:
        listed.targets["doorbell/1.0/x"] = TargetFile(1, {"sha256": "a" * 64}, "doorbell/1.0/x")

    forge(folder, reach_out, world.keys["camera"][0])
    with pytest.raises(WrongProductError):
        world.publish(folder)


def test_published_paths_mean_the_same_for_ever(world: World) -> None:
    world.release("1.0")
    folder = world.signed("1.1")

    def replace(listed: Targets) -> None:
        listed.targets["camera/1.0/product.toml"].hashes["sha256"] = "a" * 64

    forge(folder, replace, world.keys["camera"][0])
    with pytest.raises((TamperedError, MixedMetadataError)):
        world.publish(folder)


def test_odd_entries_on_a_list_are_refused(world: World) -> None:
    def weird_hash(listed: Targets) -> None:
        listed.targets["camera/1.0/image.squashfs"].hashes["md5"] = "0" * 32

    def weird_custom(listed: Targets) -> None:
        target = listed.targets["camera/1.0/image.squashfs"]
        target.unrecognized_fields["custom"] = {"holdfast": {"schema": 9}}

    def weird_path(listed: Targets) -> None:
        listed.targets["camera/../x"] = TargetFile(1, {"sha256": "a" * 64}, "camera/../x")
        listed.targets["camera/x"] = TargetFile(1, {"sha256": "a" * 64}, "camera/x")

    folder = world.signed("1.0")
    (path,) = (folder / "metadata").glob("*.camera.json")
    genuine = path.read_bytes()
    changes = {"SHA-256": weird_hash, "form": weird_custom, "not its own": weird_path}
    for word, change in changes.items():
        path.write_bytes(genuine)
        forge(folder, change, world.keys["camera"][0])
        with pytest.raises(UpdateError, match=word):
            world.publish(folder)
    path.write_bytes(genuine)
    assert world.publish(folder)


def test_expired_lists_are_refused_but_do_not_stop_other_products(world: World) -> None:
    world.add_product("doorbell")
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
    world.release("1.0", "doorbell")
    folder = world.signed("1.0")
    world.pass_time(days=370)
    world.workshop.renew("targets", now=world.now)
    world.sign("targets", 0)
    newer = world.workshop.files("doorbell")
    world.repository.renew(newer, online=world.online, now=world.now)
    with pytest.raises(ExpiredError, match="camera"):
        world.publish(folder)
    world.refresh_timestamp()
    shutil.rmtree(folder)
    world.workshop.renew("camera", now=world.now)
    world.sign("camera", 0)
    assert world.release("1.1", severity=Severity.LOW)
    states = {each.role: each.expired for each in world.repository.status(world.now)}
    assert states["doorbell"]
    assert not states["camera"]


def test_garbage_in_a_bundle_is_refused(world: World) -> None:
    folder = world.signed("1.0")
    lists = folder / "metadata"
    (path,) = lists.glob("*.camera.json")
    content = path.read_bytes()
    twin = content.replace(b'"version":1', b'"version":1,"version":1', 1)
    for garbage in (b"", b"[" * 100_000, b"{}", content[:-3], twin, b"\xff", b"1e999"):
        path.write_bytes(garbage)
        with pytest.raises(MetadataError):
            world.publish(folder)
    path.write_bytes(content + b" " * (5 << 20))
    with pytest.raises(TooLongError):
        world.publish(folder)
    path.rename(lists / "9.camera.json")
    (lists / "9.camera.json").write_bytes(content)
    with pytest.raises(MixedMetadataError, match="calls itself version 1"):
        world.publish(folder)
    (lists / "9.camera.json").rename(lists / "1.doorbell.json")
    with pytest.raises(UnknownReleaseError, match="doorbell"):
        world.publish(folder)


def test_the_maker_cannot_be_replaced(world: World, make_world: Callable[[str], World]) -> None:
    stranger = make_world("stranger")
    stranger.online = world.online
    stranger.begin()
    with pytest.raises(TamperedError, match="another one"):
        world.repository.renew(stranger.workshop.files(), online=world.online, now=world.now)


def test_a_root_must_be_signed_by_those_before_and_after(world: World) -> None:
    world.workshop.renew("root", now=world.now)
    newer = world.folder / "workshop/metadata/2.root.json"
    files = {**world.workshop.files(), "2.root.json": newer.read_bytes()}
    with pytest.raises(BelowThresholdError):
        world.repository.renew(files, online=world.online, now=world.now)
    stolen: Metadata[Root] = Metadata.from_bytes(newer.read_bytes())
    thieves = [world.make_key("root") for _ in range(2)]
    for key in thieves:
        stolen.signed.add_key(key.public.tuf_key(), "root")
    for key in thieves:
        stolen.sign(key.signer, append=True)
    files["2.root.json"] = stolen.to_bytes()
    with pytest.raises(ForeignKeyError):
        world.repository.renew(files, online=world.online, now=world.now)
    stolen.sign(world.keys["root"][0].signer, append=True)
    files["2.root.json"] = stolen.to_bytes()
    with pytest.raises(BelowThresholdError):
        world.repository.renew(files, online=world.online, now=world.now)
    files["3.root.json"] = files.pop("2.root.json")
    with pytest.raises(MixedMetadataError):
        world.repository.renew(files, online=world.online, now=world.now)


def test_one_key_under_two_names_counts_once(world: World) -> None:
    root: Metadata[Root] = Metadata.from_bytes(world.served()["1.root.json"])
    key = world.keys["root"][0].public
    root.signed.version = 2
    # The same 32 bytes, written in capitals: another id that is right by itself.
    alias = SSlibKey("", "ed25519", "ed25519", {"public": key.public.upper()})
    alias.keyid = hashlib.sha256(str(encode_canonical(alias.to_dict())).encode()).hexdigest()
    root.signed.keys[alias.keyid] = alias
    root.signed.roles["root"].keyids = [key.keyid, alias.keyid]
    root.signatures.clear()
    for signer in world.keys["root"][:2]:
        root.sign(signer.signer, append=True)
    with pytest.raises(MetadataError, match="cannot give"):
        world.repository.renew({"2.root.json": root.to_bytes()}, online=world.online, now=world.now)


def test_a_key_under_the_id_of_another_is_refused(world: World) -> None:
    root: Metadata[Root] = Metadata.from_bytes(world.served()["1.root.json"])
    thief = world.make_key("targets").public
    root.signed.version = 2
    # Signers are shown that nothing changes: the ids stay as they are.
    victim = world.keys["targets"][1].public.keyid
    root.signed.keys[victim] = SSlibKey(victim, "ed25519", "ed25519", {"public": thief.public})
    root.signatures.clear()
    for signer in world.keys["root"][:2]:
        root.sign(signer.signer, append=True)
    files = {"2.root.json": root.to_bytes()}
    with pytest.raises(MetadataError):
        world.repository.renew(files, online=world.online, now=world.now)
    with pytest.raises(MetadataError):
        world.workshop.take_in(files)


def test_the_root_must_name_this_hubs_keys(world: World, tmp_path: Path) -> None:
    other = OnlineKeys.make(tmp_path / "other")
    with pytest.raises(MetadataError, match="another snapshot key") as caught:
        world.repository.refresh_timestamp(online=other, now=world.now)
    assert "rotate --online" in caught.value.hint


def test_new_online_keys_come_through_the_root(world: World, tmp_path: Path) -> None:
    world.release("1.0")
    trusted = world.device()
    world.client(trusted).refresh("camera")
    world.online = OnlineKeys.make(tmp_path / "other")
    assert world.workshop.rotate_online(world.online.public_bytes(), now=world.now) == ["root"]
    world.sign("root", 0, 2)
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
    world.client(trusted).refresh("camera")
    world.release("1.1")
    world.client(trusted).refresh("camera")
    assert world.newest(world.repository, "fresh").version == Version.parse("1.1")


def test_timestamp_and_snapshot_are_kept_fresh(world: World) -> None:
    world.release("1.0")
    again = {"online": world.online, "at_least": timedelta(days=2)}
    assert not world.repository.refresh_timestamp(now=world.now, **again)
    for _ in range(40):
        world.pass_time(days=1.5)
        assert world.repository.refresh_timestamp(now=world.now, **again)
        states = world.repository.status(world.now)
        assert not any(each.expired for each in states)
    assert world.newest(world.repository, "device")


def test_publishers_wait_for_each_other(world: World) -> None:
    products = ["doorbell", "lamp", "lock-1"]
    for product in products:
        world.add_product(product)
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
    folders = [world.signed("1.0", product) for product in products]
    failures: list[BaseException] = []

    def publish(folder: Path) -> None:
        try:
            place = Repository(world.repository.folder)
            place.publish(folder, online=world.online, now=world.now)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=publish, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert [each.product for each in world.repository.releases()] == sorted(products)
