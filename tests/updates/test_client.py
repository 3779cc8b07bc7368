"""Every attack on the way to a device: refused, and with the right reason."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.updates.client import Client, Fetch, folder_fetch
from holdfast.updates.errors import (
    BelowFloorError,
    BelowThresholdError,
    ClockError,
    CutShortError,
    ExpiredError,
    ForeignKeyError,
    MetadataError,
    MixedMetadataError,
    RollbackError,
    TamperedError,
    TooLongError,
    UnknownReleaseError,
    UpdateError,
    WrongHardwareError,
    WrongProductError,
)
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.upstream import Metadata, Snapshot, TargetFile, Targets, Timestamp

World = Any  # the class in conftest.py, which cannot be imported
Serve = Callable[[dict[str, bytes]], Fetch]
V = Version.parse


def accept(client: Client, release: Release, **changes: str) -> Release:
    asked = {"product": "camera", "hardware": "a", "current": "1.0", "floor": "1.0", **changes}
    return client.accept(
        release.path,
        product=asked["product"],
        hardware=asked["hardware"],
        current=V(asked["current"]),
        floor=V(asked["floor"]),
    )


def test_a_signed_release_is_accepted(world: World, published: Release) -> None:
    client = world.client(world.device())
    assert accept(client, published) == published
    assert [str(each.version) for each in client.releases()] == ["1.0", "1.1"]
    assert client.time_floor == published.made


def test_a_second_client_comes_to_the_same_opinion(world: World, published: Release) -> None:
    agent = world.client(world.device("agent"))
    accept(agent, published)
    handed = world.folder / "handed"
    handed.mkdir()
    for name, content in agent.files().items():
        (handed / name).write_bytes(content)
    verifier = world.client(world.device("verifier"), folder_fetch(handed))
    assert accept(verifier, published) == published


def test_it_stays_up_to_date_over_many_releases(world: World) -> None:
    trusted = world.device()
    for number in range(1, 6):
        release = world.release(f"1.{number}")
        world.pass_time(days=1)
        world.refresh_timestamp()
        assert accept(world.client(trusted), release, current=f"1.{number - 1}") == release


def test_wrong_product_hardware_version_and_floor(world: World, published: Release) -> None:
    trusted = world.device()
    with pytest.raises(WrongProductError, match="home-gateway"):
        accept(world.client(trusted), published, product="home-gateway")
    with pytest.raises(WrongHardwareError):
        accept(world.client(trusted), published, hardware="c")
    with pytest.raises(RollbackError, match="already installed"):
        accept(world.client(trusted), published, current="1.1")
    with pytest.raises(RollbackError, match="older"):
        accept(world.client(trusted), published, current="1.2")
    with pytest.raises(BelowFloorError):
        accept(world.client(trusted), published, floor="1.2")


def test_unknown_releases_and_products(world: World, published: Release) -> None:
    client = world.client(world.device())
    client.refresh("camera")
    for path in ("camera/9.9/image.squashfs", "camera", "camera/../etc", "camera/1.1/nothing"):
        with pytest.raises(UnknownReleaseError):
            client.release(path)
    with pytest.raises(MetadataError):
        client.release("camera/1.1/product.toml")  # signed, but not a release
    with pytest.raises(WrongProductError):
        client.release("home-gateway/1.1/image.squashfs")
    with pytest.raises(UnknownReleaseError, match="signs nothing"):
        client.refresh("home-gateway")
    world.add_product("doorbell")
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
    with pytest.raises(UnknownReleaseError, match="no release of doorbell yet"):
        client.refresh("doorbell")
    with pytest.raises(UnknownReleaseError, match="not been fetched"):
        client.release(published.path)


def test_a_release_that_expired_is_refused(world: World, published: Release) -> None:
    world.pass_time(days=300)
    world.workshop.renew("camera", now=world.now)
    world.workshop.renew("targets", now=world.now)
    world.sign("targets", 0)
    world.sign("camera", 0)
    world.pass_time(days=340)
    world.workshop.renew("camera", now=world.now)
    world.workshop.renew("targets", now=world.now)
    world.sign("targets", 0)
    world.sign("camera", 0)
    world.pass_time(days=100)
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
    with pytest.raises(ExpiredError, match=r"Version 1\.1"):
        accept(world.client(world.device()), published)


# -- the hub or the way to it is in somebody else's hands


def forged_list(world: World, version: str, product: str = "camera") -> Metadata[Targets]:
    """Return a list with one release more, without signatures."""
    forged: Metadata[Targets] = world.list_of(product)
    forged.signatures.clear()
    made = Release(
        product=product, version=V(version), hardware=("a",), floor=V("1.0"),
        severity=Severity.CRITICAL, notes="Trust me.", fixes=(), artifact="evil.img",
        size_bytes=4, sha256="e" * 64, made=world.now,
        expires=world.now + timedelta(days=9), profile_sha256="f" * 64,
    )  # fmt: skip
    forged.signed.targets[made.path] = TargetFile(
        4, {"sha256": "e" * 64}, made.path, {"custom": made.to_custom()}
    )
    return forged


def refused(world: World, files: dict[str, bytes], serve: Serve) -> UpdateError:
    with pytest.raises(UpdateError) as caught:
        world.client(world.device(f"d{len(list(world.folder.iterdir()))}"), serve(files)).refresh(
            "camera"
        )
    return caught.value


@pytest.mark.usefixtures("published")
def test_stolen_hub_with_a_foreign_key(world: World, serve: Serve) -> None:
    forged = forged_list(world, "6.6")
    forged.sign(world.make_key("doorbell").signer)
    error = refused(world, world.stolen_hub(camera=forged.to_bytes()), serve)
    assert type(error) is ForeignKeyError


@pytest.mark.usefixtures("published")
def test_stolen_hub_with_the_hubs_own_keys(world: World, serve: Serve) -> None:
    forged = forged_list(world, "6.6")
    forged.sign(world.online.snapshot.signer)
    error = refused(world, world.stolen_hub(camera=forged.to_bytes()), serve)
    assert type(error) is ForeignKeyError


@pytest.mark.usefixtures("published")
def test_stolen_hub_with_an_altered_list(world: World, serve: Serve) -> None:
    forged = world.list_of()
    next(iter(forged.signed.targets.values())).length += 1
    error = refused(world, world.stolen_hub(camera=forged.to_bytes()), serve)
    assert type(error) is TamperedError


def test_stolen_hub_with_too_few_signatures(empty: World, serve: Serve) -> None:
    empty.begin()
    empty.add_product("camera", threshold=2)
    empty.initialise()
    from holdfast.updates import bundle  # noqa: PLC0415 - used here only

    folder = empty.build("1.0")
    for key in empty.keys["camera"]:
        complete = bundle.sign(folder, empty.workshop, key, now=empty.now)
    assert complete
    empty.publish(folder)
    forged = forged_list(empty, "6.6")
    forged.sign(empty.keys["camera"][0].signer)
    error = refused(empty, empty.stolen_hub(camera=forged.to_bytes()), serve)
    assert type(error) is BelowThresholdError
    assert "1 of the 2 signatures" in str(error)
    forged.sign(empty.make_key("doorbell").signer, append=True)
    error = refused(empty, empty.stolen_hub(camera=forged.to_bytes()), serve)
    assert type(error) is BelowThresholdError
    assert "1 more by keys without a say" in str(error)
    forged.signatures.clear()
    error = refused(empty, empty.stolen_hub(camera=forged.to_bytes()), serve)
    assert type(error) is BelowThresholdError
    assert "0 of the 2" in str(error)


def test_people_of_one_product_cannot_sign_for_another(world: World, serve: Serve) -> None:
    world.add_product("doorbell")
    world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
    world.release("1.0", "camera")
    world.release("1.0", "doorbell")
    forged: Metadata[Targets] = world.list_of("doorbell")
    theirs = forged_list(world, "6.6", "camera")
    forged.signed.targets.update(theirs.signed.targets)
    forged.sign(world.keys["doorbell"][0].signer)
    client = world.client(world.device(), serve(world.stolen_hub(doorbell=forged.to_bytes())))
    client.refresh("camera")
    with pytest.raises(UnknownReleaseError):
        client.release("camera/6.6/evil.img")
    # Their whole list in the place of the camera's:
    renamed = forged.to_bytes()
    error = refused(world, world.stolen_hub(camera=renamed), serve)
    assert type(error) is ForeignKeyError


def test_mixed_files_of_two_moments(world: World, serve: Serve) -> None:
    world.release("1.0")
    early = world.served()
    world.release("1.1")
    files = world.served()
    files["2.camera.json"] = early["1.camera.json"]
    error = refused(world, files, serve)
    assert type(error) is MixedMetadataError
    files = world.served()
    files["3.snapshot.json"] = early["2.snapshot.json"]
    assert type(refused(world, files, serve)) is MixedMetadataError


@pytest.mark.usefixtures("published")
def test_stolen_hub_with_a_version_that_is_not_the_announced_one(
    world: World, serve: Serve
) -> None:
    content = world.served()["2.camera.json"]
    files = world.stolen_hub(camera=content)
    snapshot_name = max(name for name in files if name.endswith(".snapshot.json"))
    snapshot: Metadata[Snapshot] = Metadata.from_bytes(files[snapshot_name])
    snapshot.signed.meta["camera.json"].version = 3
    snapshot.sign(world.online.snapshot.signer)
    files[snapshot_name] = snapshot.to_bytes()
    timestamp: Metadata[Timestamp] = Metadata.from_bytes(files["timestamp.json"])
    timestamp.signed.snapshot_meta.length = None
    timestamp.signed.snapshot_meta.hashes = None
    timestamp.sign(world.online.timestamp.signer)
    files["timestamp.json"] = timestamp.to_bytes()
    files["3.camera.json"] = content
    assert type(refused(world, files, serve)) is MixedMetadataError


def test_a_frozen_hub_is_noticed(world: World, published: Release) -> None:
    trusted = world.device()
    accept(world.client(trusted), published)
    world.pass_time(days=4)
    with pytest.raises(ExpiredError, match="timestamp") as caught:
        accept(world.client(trusted), published)
    assert type(caught.value) is ExpiredError
    world.refresh_timestamp()
    accept(world.client(trusted), published)


def test_a_device_without_a_clock_cannot_be_frozen(world: World, published: Release) -> None:
    trusted = world.device()
    client = world.client(trusted)
    accept(client, published)
    floor = world.now + timedelta(days=10)
    in_1970 = datetime(1970, 1, 1, tzinfo=world.now.tzinfo)
    frozen = Client(trusted, world.fetch(), now=in_1970, not_before=floor)
    with pytest.raises(ExpiredError, match="1970") as caught:
        accept(frozen, published)
    assert "which cannot be" in str(caught.value)
    world.pass_time(days=10)
    world.refresh_timestamp()
    awake = Client(trusted, world.fetch(), now=in_1970, not_before=floor)
    assert accept(awake, published) == published


def test_a_clock_years_ahead_is_doubted(world: World, published: Release) -> None:
    client = Client(world.device(), world.fetch(), now=world.now + timedelta(days=2000))
    with pytest.raises(ClockError, match="2 years") as caught:
        accept(client, published)
    assert "clock is wrong" in str(caught.value)
    assert caught.value.code == "update-clock"


def test_a_device_that_lay_in_a_drawer_for_two_years(world: World) -> None:
    trusted = world.device()
    accept(world.client(trusted), world.release("1.1"))
    for number in range(2, 5):
        world.pass_time(days=250)
        world.workshop.renew("targets", now=world.now)
        world.sign("targets", 0)
        world.repository.renew(world.workshop.files(), online=world.online, now=world.now)
        release = world.release(f"1.{number}")
    accept(world.client(trusted), release, current="1.1")


def test_metadata_does_not_go_back(world: World, serve: Serve) -> None:
    trusted = world.device()
    world.release("1.0")
    early = world.served()
    accept(world.client(trusted), world.release("1.1"))
    with pytest.raises(RollbackError, match="older than those seen"):
        world.client(trusted, serve(early)).refresh("camera")
    world.client(trusted).refresh("camera")


def test_a_stolen_hub_cannot_go_back_under_a_new_timestamp(world: World, serve: Serve) -> None:
    trusted = world.device()
    world.release("1.0")
    old_list = world.served()["1.camera.json"]
    accept(world.client(trusted), world.release("1.1"))
    files = world.stolen_hub(camera=old_list)
    with pytest.raises(RollbackError):
        world.client(trusted, serve(files)).refresh("camera")


@pytest.mark.usefixtures("published")
def test_a_stolen_hub_cannot_make_a_list_vanish(world: World, serve: Serve) -> None:
    trusted = world.device()
    world.client(trusted).refresh("camera")
    files = world.stolen_hub()
    name = max(name for name in files if name.endswith(".snapshot.json"))
    snapshot: Metadata[Snapshot] = Metadata.from_bytes(files[name])
    del snapshot.signed.meta["camera.json"]
    snapshot.sign(world.online.snapshot.signer)
    files[name] = snapshot.to_bytes()
    timestamp: Metadata[Timestamp] = Metadata.from_bytes(files["timestamp.json"])
    timestamp.signed.snapshot_meta.length = None
    timestamp.signed.snapshot_meta.hashes = None
    timestamp.sign(world.online.timestamp.signer)
    files["timestamp.json"] = timestamp.to_bytes()
    with pytest.raises(RollbackError):
        world.client(trusted, serve(files)).refresh("camera")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:  # noqa: ANN401
    """One published world for many examples."""
    make = request.getfixturevalue("make_settled")
    return make(tmp_path_factory.mktemp("settled"))


NAMES = ["timestamp.json", "3.snapshot.json", "2.targets.json", "2.camera.json"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"\x00" * 100, b"<html>404</html>", b"{", b"[" * 100_000, b"{}", b"null", b"[]",
        b'{"signed":{"_type":"targets"},"signatures":[]}',
        b'{"signed":{"version":' + b"9" * 6000 + b"}}",
        b'{"signed":{"version":1e999}}', b'{"signed":null,"signatures":null}',
        b'{"a":' * 5000 + b"1" + b"}" * 5000, b"\xff\xfe{}",
    ],
)  # fmt: skip
def test_garbage_is_refused(settled: World, serve: Serve, name: str, garbage: bytes) -> None:
    files = settled.served()
    files[name] = garbage
    error = refused(settled, files, serve)
    assert isinstance(error, (MetadataError, CutShortError, TamperedError, TooLongError))
    if garbage[:1] != b"{" and len(garbage) < 16_000:
        assert type(error) is MetadataError


@pytest.mark.parametrize("name", ["timestamp.json", "3.snapshot.json", "2.camera.json"])
def test_endless_files_are_cut_off(settled: World, serve: Serve, name: str) -> None:
    files = settled.served()
    files[name] += b" " * (5 << 20)
    assert type(refused(settled, files, serve)) is TooLongError


@pytest.mark.parametrize("name", ["3.snapshot.json", "2.targets.json", "2.camera.json"])
def test_files_that_end_early(settled: World, serve: Serve, name: str) -> None:
    files = settled.served()
    files[name] = files[name][:-100]
    assert type(refused(settled, files, serve)) is CutShortError


@pytest.mark.parametrize("name", [*NAMES[:1], "3.snapshot.json", "2.camera.json"])
def test_files_that_are_missing(settled: World, serve: Serve, name: str) -> None:
    files = settled.served()
    del files[name]
    error = refused(settled, files, serve)
    assert type(error) is MetadataError
    assert name in str(error)


@pytest.mark.slow
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.integers(0, 4), place=st.integers(0, 1 << 16), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_what_is_believed(
    settled: World, serve: Serve, which: int, place: int, bit: int
) -> None:
    files = settled.served()
    name = ["2.root.json", "timestamp.json", "3.snapshot.json", "2.targets.json", "2.camera.json"][
        which
    ]
    content = bytearray(files[name])
    content[place % len(content)] ^= 1 << bit
    genuine = dict(files)
    files[name] = bytes(content)
    trusted = settled.folder / f"{which}-{place}-{bit}"
    trusted.mkdir(exist_ok=True)
    (trusted / "root.json").write_bytes(genuine["1.root.json"])
    client = settled.client(trusted, serve(files))
    try:
        client.refresh("camera")
    except UpdateError:
        assert which != 0 or name == "2.root.json"
        return
    # Only signatures that are not needed may differ.
    before, after = json.loads(genuine[name]), json.loads(files[name])
    # A moment reads the same with a small z; what is signed is the moment as it was read.
    after["signed"]["expires"] = after["signed"]["expires"].upper()
    assert before["signed"] == after["signed"]
    assert which in {0, 1}
    assert [str(each.version) for each in client.releases()] == ["1.0", "1.1"]
