"""The maker's folder: who signs what, and how keys come and go."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.updates import bundle
from holdfast.updates.errors import (
    BelowThresholdError,
    ForeignKeyError,
    KeyFileError,
    ReleaseError,
    RollbackError,
    TamperedError,
    UpdateError,
    WorkshopError,
)
from holdfast.updates.inspection import parse
from holdfast.updates.progress import RoleStatus, differences
from holdfast.updates.release import Severity
from holdfast.updates.workshop import Start, Workshop

World = Any  # the class in conftest.py, which cannot be imported


def status(world: World, role: str) -> RoleStatus:
    (found,) = (each for each in world.workshop.status(world.now) if each.role == role)
    assert isinstance(found, RoleStatus)
    return found


def signed(world: World, version: str, *numbers: int, **changes: object) -> Path:
    folder: Path = world.build(version, **changes)
    for number in numbers or (0,):
        bundle.sign(folder, world.workshop, world.keys["camera"][number], now=world.now)
    return folder


def renew(world: World) -> None:
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)


def test_a_new_workshop_says_what_is_missing(empty: World) -> None:
    for role, count in (("root", 3), ("targets", 2)):
        for _ in range(count):
            empty.make_key(role)
    empty.workshop = Workshop.init(
        empty.folder / "workshop",
        Start(
            online=empty.online.public_bytes(),
            root=[key.public for key in empty.keys["root"]],
            targets=[key.public for key in empty.keys["targets"]],
        ),
        now=empty.now,
    )
    assert "2 more signatures needed" in status(empty, "root").next_step
    assert "1 more signature needed" in status(empty, "targets").next_step
    with pytest.raises(WorkshopError, match="root file lacks signatures"):
        empty.workshop.files()
    assert not empty.sign("root", 1)
    assert [each.signed for each in status(empty, "root").signers] == [False, True, False]
    assert empty.sign("root", 2)
    assert status(empty, "root").next_step == ""
    with pytest.raises(WorkshopError, match="targets file lacks signatures"):
        empty.workshop.files()
    assert empty.sign("targets", 1)
    assert sorted(empty.workshop.files()) == ["1.root.json", "1.targets.json"]


def test_a_workshop_begins_once(world: World) -> None:
    start = Start(
        online=world.online.public_bytes(),
        root=[key.public for key in world.keys["root"]],
        targets=[key.public for key in world.keys["targets"]],
    )
    with pytest.raises(WorkshopError, match="already"):
        Workshop.init(world.folder / "workshop", start, now=world.now)
    with pytest.raises(WorkshopError, match="not a workshop"):
        Workshop(world.folder)


@pytest.mark.parametrize(
    ("root", "targets", "thresholds"),
    [
        (["root"], ["targets"], (2, 1)),
        (["root", "root"], ["targets"], (0, 1)),
        (["root", "targets"], ["targets"], (1, 1)),
        (["root", "root"], [], (2, 1)),
    ],
)
def test_keys_and_thresholds_must_fit(
    empty: World, root: list[str], targets: list[str], thresholds: tuple[int, int]
) -> None:
    start = Start(
        online=empty.online.public_bytes(),
        root=[empty.make_key(role).public for role in root],
        targets=[empty.make_key(role).public for role in targets],
        root_threshold=thresholds[0],
        targets_threshold=thresholds[1],
    )
    with pytest.raises(KeyFileError):
        Workshop.init(empty.folder / "w", start, now=empty.now)
    assert not (empty.folder / "w").exists()


def test_the_same_key_cannot_count_twice(empty: World) -> None:
    key = empty.make_key("root").public
    start = Start(
        online=empty.online.public_bytes(),
        root=[key, key],
        targets=[empty.make_key("targets").public],
    )
    with pytest.raises(KeyFileError, match="twice"):
        Workshop.init(empty.folder / "w", start, now=empty.now)


def test_a_key_signs_only_where_it_has_a_say(world: World) -> None:
    with pytest.raises(ForeignKeyError, match="no say in root"):
        world.workshop.sign("root", world.keys["targets"][0])
    with pytest.raises(WorkshopError):
        world.workshop.sign("doorbell", world.keys["targets"][0])
    folder = world.build("1.0")
    with pytest.raises(WorkshopError, match="made for targets"):
        bundle.sign(folder, world.workshop, world.keys["targets"][0], now=world.now)


def test_two_people_sign_the_same_version(empty: World) -> None:
    empty.begin()
    empty.add_product("camera", threshold=2)
    folder = empty.build("1.0")
    assert not bundle.sign(folder, empty.workshop, empty.keys["camera"][0], now=empty.now)
    assert not bundle.sign(folder, empty.workshop, empty.keys["camera"][0], now=empty.now)
    with pytest.raises(BelowThresholdError, match="1 of the 2"):
        bundle.must_be_complete(folder, bundle.contents(folder))
    empty.pass_time(days=2)
    assert bundle.sign(folder, empty.workshop, empty.keys["camera"][1], now=empty.now)
    bundle.must_be_complete(folder, bundle.contents(folder))
    assert status(empty, "camera").version == 1
    assert status(empty, "camera").complete


def test_two_people_with_a_workshop_each(empty: World) -> None:
    empty.begin()
    empty.add_product("camera", threshold=2)
    shutil.copytree(empty.folder / "workshop", empty.folder / "elsewhere")
    elsewhere = Workshop(empty.folder / "elsewhere")
    folder = empty.build("1.0")
    bundle.sign(folder, empty.workshop, empty.keys["camera"][0], now=empty.now)
    empty.pass_time(days=2)
    assert bundle.sign(folder, elsewhere, empty.keys["camera"][1], now=empty.now)
    assert empty.workshop.take_in(bundle.metadata(folder)) == ["camera"]
    assert status(empty, "camera").complete
    assert empty.workshop.take_in(bundle.metadata(folder)) == []


def test_a_second_signer_does_not_sign_what_he_cannot_see(empty: World) -> None:
    empty.begin()
    empty.add_product("camera", threshold=2)
    shutil.copytree(empty.folder / "workshop", empty.folder / "elsewhere")
    elsewhere = Workshop(empty.folder / "elsewhere")
    first, second = empty.build("1.0"), empty.build("1.1")
    bundle.sign(first, empty.workshop, empty.keys["camera"][0], now=empty.now)
    # Somebody puts another release's half-signed list into the folder.
    shutil.copytree(first / "metadata", second / "metadata")
    with pytest.raises(WorkshopError, match="holds something else"):
        bundle.sign(second, elsewhere, empty.keys["camera"][1], now=empty.now)


def test_a_draft_can_be_given_up(empty: World) -> None:
    empty.begin()
    empty.add_product("camera", threshold=2)
    first, second = empty.build("1.0"), empty.build("1.1")
    key = empty.keys["camera"][0]
    bundle.sign(first, empty.workshop, key, now=empty.now)
    with pytest.raises(WorkshopError, match="waits for signatures"):
        bundle.sign(second, empty.workshop, key, now=empty.now)
    bundle.sign(second, empty.workshop, key, now=empty.now, discard_draft=True)
    changes = empty.workshop.changes("camera")
    assert any("camera/1.1/image.squashfs is added" in line for line in changes)
    assert not any("camera/1.0" in line for line in changes)


def test_old_versions_are_refused(world: World) -> None:
    signed(world, "1.1")
    for version in ("1.0", "1.1"):
        folder = world.build(f"{version}", severity=Severity.LOW) if version == "1.0" else None
        if folder is None:
            shutil.rmtree(world.folder / "releases" / "camera-1.1")
            folder = world.build("1.1", notes="Another text.")
        with pytest.raises(RollbackError, match="not newer"):
            bundle.sign(folder, world.workshop, world.keys["camera"][0], now=world.now)


def test_a_changed_file_is_not_signed(world: World) -> None:
    folder = world.build("1.0")
    (folder / "targets/camera/1.0/product.toml").write_text("x = 1")
    with pytest.raises(TamperedError, match=r"product\.toml"):
        bundle.sign(folder, world.workshop, world.keys["camera"][0], now=world.now)
    (folder / "targets/camera/1.0/product.toml").unlink()
    with pytest.raises(ReleaseError, match="cannot be read"):
        bundle.sign(folder, world.workshop, world.keys["camera"][0], now=world.now)


# -- keys come and go


def test_root_keys_are_exchanged_one_after_another(world: World) -> None:
    """Devices that know only the very first root follow the whole chain."""
    world.release("1.0")
    old = world.device("old")
    for round_ in range(4):
        gone = world.keys["root"].pop(0)
        fresh = world.make_key("root")
        waiting = world.workshop.rotate(
            "root", old=gone.public.keyid[:8], new=fresh.public, now=world.now
        )
        assert waiting == ["root"]
        assert not world.sign("root", 0)
        assert f"{2 * round_ + 1}.root.json" in world.workshop.files()
        assert f"{2 * round_ + 2}.root.json" not in world.workshop.files()
        assert world.sign("root", 1, 2)
        world.workshop.renew("root", now=world.now)
        with pytest.raises(ForeignKeyError):
            world.workshop.sign("root", gone)
        world.sign("root", 0, 1)
        renew(world)
    world.pass_time(days=2)
    world.refresh_timestamp()
    release = world.release("1.1")
    client = world.client(old)
    client.refresh("camera")
    assert client.release(release.path) == release
    assert "9.root.json" in client.files()
    assert "1.root.json" in client.files()


def test_an_expired_root_in_the_chain_is_passed(world: World) -> None:
    world.release("1.0")
    old = world.device("old")
    for _ in range(2):
        world.pass_time(days=1000)
        world.workshop.renew("root", now=world.now)
        world.sign("root", 0, 1)
        world.workshop.renew("targets", now=world.now)
        world.sign("targets", 0)
        renew(world)
    release = world.release("1.1")
    client = world.client(old)
    client.refresh("camera")
    assert client.release(release.path) == release


def test_a_new_root_needs_the_old_people_and_the_new(world: World) -> None:
    for number in range(2):
        fresh = world.make_key("root")
        old = world.keys["root"][number]
        world.workshop.rotate("root", old=old.public.keyid, new=fresh.public, now=world.now)
    # Root 2 names keys 2, 3, 4; root 1 named 0, 1, 2: both need two.
    assert not world.sign("root", 3, 4)
    assert "root" in status(world, "root").next_step
    assert world.sign("root", 0, 2)
    renew(world)
    assert [each.role for each in world.repository.status(world.now)]


def test_a_targets_key_is_exchanged(world: World) -> None:
    world.release("1.0")
    device = world.device()
    gone, fresh = world.keys["targets"][0], world.make_key("targets")
    waiting = world.workshop.rotate(
        "targets", old=gone.public.keyid, new=fresh.public, now=world.now
    )
    assert waiting == ["root", "targets"]
    world.sign("root", 0, 1)
    with pytest.raises(ForeignKeyError):
        world.workshop.sign("targets", gone)
    world.workshop.sign("targets", fresh)
    renew(world)
    world.client(device).refresh("camera")
    assert gone.public.keyid.encode() not in world.workshop.files()["2.root.json"]


def test_a_product_key_is_exchanged_without_losing_releases(world: World) -> None:
    world.release("1.0")
    device = world.device()
    for number in (0, 1):
        old, fresh = world.keys["camera"][number], world.make_key("camera")
        waiting = world.workshop.rotate(
            "camera", old=old.public.keyid, new=fresh.public, now=world.now
        )
        assert waiting == ["targets", "camera"]
    folder = world.build("1.1")
    world.keys["camera"] = world.keys["camera"][2:]
    with pytest.raises(WorkshopError, match="waits for signatures"):
        bundle.sign(folder, world.workshop, world.keys["camera"][0], now=world.now)
    world.sign("targets", 0)
    world.sign("camera", 0)
    renew(world)
    bundle.sign(folder, world.workshop, world.keys["camera"][0], now=world.now)
    world.publish(folder)
    client = world.client(device)
    client.refresh("camera")
    assert [str(each.version) for each in client.releases()] == ["1.0", "1.1"]


def test_a_wrong_exchange_changes_nothing(world: World) -> None:
    before = {path: path.read_bytes() for path in (world.folder / "workshop").rglob("*.json")}
    root, targets = world.keys["root"], world.keys["targets"]
    for old, new in (
        ("00000000", world.make_key("root").public),
        (root[0].public.keyid[:7], world.make_key("root").public),
        (root[0].public.keyid, root[1].public),
        (root[0].public.keyid, targets[0].public),
    ):
        with pytest.raises(KeyFileError):
            world.workshop.rotate("root", old=old, new=new, now=world.now)
    with pytest.raises(KeyFileError, match="already"):
        world.workshop.rotate_online(world.online.public_bytes(), now=world.now)
    for path, content in before.items():
        assert path.read_bytes() == content


def test_what_is_signed_is_said(world: World) -> None:
    old, fresh = world.keys["root"][0], world.make_key("root")
    world.workshop.rotate("root", old=old.public.keyid, new=fresh.public, now=world.now)
    changes = world.workshop.changes("root")
    assert f"key {fresh.public.keyid[:12]} gets a say in root" in changes
    assert f"key {old.public.keyid[:12]} loses its say in root" in changes
    world.add_product("doorbell", threshold=2)
    assert "2 signatures are needed for doorbell" in world.workshop.changes("targets")
    assert "doorbell may sign doorbell/*/*" in world.workshop.changes("targets")


def test_names_on_a_list_cannot_hide_what_is_signed(world: World) -> None:
    signed(world, "1.0")
    listed = parse(world.workshop.files("camera")["1.camera.json"], kind="targets")
    evil = {"camera/1.1/x\x1b[1A\x1b[2K\r": {"length": 1, "hashes": {"sha256": "0" * 64}}}
    body = {**listed.body, "targets": {**listed.body["targets"], **evil}}
    (line,) = (
        each for each in differences(listed, replace(listed, body=body)) if "camera/1.1" in each
    )
    assert line.isprintable()
    assert r"camera/1.1/x\x1b[1A\x1b[2K\r is added" in line


def test_renewal_is_asked_for_in_time(world: World) -> None:
    signed(world, "1.0")
    assert status(world, "camera").next_step == ""
    world.pass_time(days=330)
    assert "--renew" in status(world, "camera").next_step
    world.workshop.renew("camera", now=world.now)
    assert "1 more signature" in status(world, "camera").next_step
    assert world.sign("camera", 0)
    assert status(world, "camera").next_step == ""


def test_strangers_files_are_not_taken_in(world: World, make_world: Callable[[str], World]) -> None:
    stranger = make_world("stranger")
    stranger.begin()
    stranger.add_product("camera")
    stranger.workshop.renew("root", now=world.now)
    stranger.sign("root", 0, 1)
    before = world.workshop.files()
    try:
        changed = world.workshop.take_in(stranger.workshop.files())
    except UpdateError:
        changed = []
    assert changed == []
    assert world.workshop.files() == before


def test_two_ways_from_the_same_state_are_noticed(empty: World) -> None:
    empty.begin()
    empty.add_product("camera")
    shutil.copytree(empty.folder / "workshop", empty.folder / "elsewhere")
    elsewhere = Workshop(empty.folder / "elsewhere")
    first, second = empty.build("1.0"), empty.build("1.1")
    bundle.sign(first, empty.workshop, empty.keys["camera"][0], now=empty.now)
    bundle.sign(second, elsewhere, empty.keys["camera"][0], now=empty.now)
    with pytest.raises(WorkshopError, match="another one"):
        empty.workshop.take_in(elsewhere.files())


# -- building


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"artifact": Path("/nowhere/image")}, "cannot be read: No such file"),
        ({"artifact": Path("/dev/zero")}, "not a plain file"),
        ({"artifact": Path("/dev")}, "not a plain file"),
        ({"notes": " "}, "notes are empty"),
        ({"fixes": ("CVE-1",)}, "CVE"),
        ({"sbom": Path("/nowhere/sbom")}, "cannot be read"),
    ],
)
def test_a_release_is_built_whole_or_not_at_all(
    world: World, changes: dict[str, object], word: str
) -> None:
    with pytest.raises(ReleaseError, match=word):
        world.build("1.0", **changes)
    assert not list((world.folder / "releases").iterdir())


def test_empty_and_misnamed_images_are_refused(world: World) -> None:
    image = world.folder / "empty.img"
    image.touch()
    with pytest.raises(ReleaseError, match="is empty"):
        world.build("1.0", artifact=image)
    for name in ("product.toml", "two words.img"):
        image = world.folder / "x" / name
        image.parent.mkdir(exist_ok=True)
        image.write_text("x")
        with pytest.raises(ReleaseError):
            world.build("1.0", artifact=image)
    world.build("1.0")
    with pytest.raises(ReleaseError, match="exists already"):
        world.build("1.0")


def test_everything_beside_the_image_is_signed_with_it(world: World) -> None:
    sbom, audit = world.folder / "bom", world.folder / "report"
    sbom.write_text("{}")
    audit.write_text('{"findings": []}')
    release = world.release("1.0", sbom=sbom, audit=audit)
    assert release.sbom_sha256
    assert release.audit_sha256
    names = {p.name.split(".", 1)[1] for p in world.repository.stored(release).parent.iterdir()}
    assert names == {"image.squashfs", "product.toml", "sbom.json", "audit.json"}


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"schema":1}', b"[" * 10_000, b"\xff"])
def test_other_folders_are_not_releases(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "release.json").write_bytes(content)
    with pytest.raises(ReleaseError, match="not the folder of a release"):
        bundle.contents(tmp_path)
    with pytest.raises(ReleaseError):
        bundle.contents(tmp_path / "absent")
