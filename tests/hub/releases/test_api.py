"""The API that takes releases in, and everything it must not take."""

import base64
import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from holdfast.core.errors import NoSpaceError
from holdfast.hub.errors import UploadError
from holdfast.hub.products.models import Product
from holdfast.hub.products.services import LARGEST_PROFILE_BYTES, take_profile
from holdfast.hub.releases import services
from holdfast.hub.releases.models import Artifact, Release
from holdfast.hub.releases.uploads import Uploads
from holdfast.hub.staff.models import ApiToken, Entry

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
Maker = Any
Machine = Any


def test_a_release_travels_into_repository_and_tables(machine: Machine, maker: Maker) -> None:
    status, answer = machine.publish(maker, "1.1")
    assert (status, answer["offered"]) == (201, 0)
    stored = Release.objects.get()
    assert answer["release"]["version"] == "1.1"
    assert (stored.product_id, stored.number, stored.severity) == (
        "home-gateway",
        1_001_000,
        "high",
    )
    assert stored.fixes == ["CVE-2026-12345", "CVE-2026-12346"]
    artifact = Artifact.objects.get()
    image = (settings.HUB.repository / artifact.stored).read_bytes()
    assert hashlib.sha256(image).hexdigest() == artifact.sha256
    assert len(image) == artifact.size_bytes
    assert hashlib.md5(image, usedforsecurity=False).hexdigest() == artifact.md5  # noqa: TID251
    assert artifact.stored == f"targets/home-gateway/1.1/{artifact.sha256}.gateway.squashfs"
    assert not list(settings.HUB.uploads.iterdir())
    entry = Entry.objects.get(what="release.published")
    assert (entry.by, entry.subject) == ("token:build-server", "home-gateway 1.1")


def test_the_same_publication_twice_is_one_release(machine: Machine, maker: Maker) -> None:
    machine.publish(maker, "1.1")
    files = maker.release("1.2")
    for _time in range(2):
        for content in files.values():
            machine.upload(content)
        status, _answer = machine.post("/api/releases", maker.publication(files))
        assert status == 201
    assert Release.objects.count() == 2


def test_an_older_version_is_refused_with_its_reason(machine: Machine, maker: Maker) -> None:
    first = maker.release("1.1")
    publication = maker.publication(first)
    machine.publish(maker, "1.2")
    for content in first.values():
        machine.upload(content)
    status, answer = machine.post("/api/releases", publication)
    assert (status, answer["error"]["code"]) == (409, "update-rollback")
    assert Release.objects.count() == 1


def test_too_few_signatures_are_refused(machine: Machine, maker: Maker) -> None:
    files = maker.release("1.1", signed_by=1)
    for content in files.values():
        machine.upload(content)
    status, answer = machine.post("/api/releases", maker.publication(files))
    assert (status, answer["error"]["code"]) == (409, "update-below-threshold")
    assert answer["error"]["hint"]
    assert not Release.objects.exists()


def test_a_changed_image_is_refused(machine: Machine, maker: Maker) -> None:
    files = maker.release("1.1")
    path = next(path for path in files if path.endswith(".squashfs"))
    files[path] = files[path].replace(b"image", b"imagE", 1)
    for content in files.values():
        machine.upload(content)
    status, answer = machine.post("/api/releases", maker.publication(files))
    assert (status, answer["error"]["code"]) == (409, "update-tampered")
    assert not Release.objects.exists()


def test_another_root_is_refused_once_one_is_trusted(
    machine: Machine, maker: Maker, make_maker: Callable[[bytes], Maker], tmp_path: Path
) -> None:
    del maker
    (tmp_path / "workshop").rename(tmp_path / "first")
    other = make_maker(machine.client.get("/api/online-keys").content)
    status, answer = machine.post("/api/repository", {"metadata": other.lists()})
    assert status == 409
    assert answer["error"]["code"].startswith("update-")
    assert Entry.objects.filter(what="repository.trusted").count() == 1


def test_nothing_is_published_before_a_root_is_trusted(
    machine: Machine, make_maker: Callable[[bytes], Maker]
) -> None:
    maker = make_maker(machine.client.get("/api/online-keys").content)
    status, answer = machine.publish(maker, "1.1")
    assert (status, answer["error"]["code"]) == (409, "update-repository")


def test_tables_catch_up_after_a_power_cut(machine: Machine, maker: Maker) -> None:
    machine.publish(maker, "1.1")
    files = maker.release("1.2")
    for content in files.values():
        machine.upload(content)
    published = maker.publication(files)
    lists = {name: base64.b64decode(raw) for name, raw in published["metadata"].items()}
    # The repository has taken it, and then the power fails.
    bundle = settings.HUB.state / "bundle-cut-off"
    bundle.mkdir()
    services._lay_out(bundle, lists, published["files"])
    keys = services.online_keys(settings.HUB)
    services.repository().publish(bundle, online=keys, now=datetime.now(tz=UTC))
    assert Release.objects.count() == 1
    services.recover()
    assert set(Release.objects.values_list("version", flat=True)) == {"1.1", "1.2"}
    assert not bundle.exists()
    services.recover()
    assert Release.objects.count() == 2


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "home-gateway/1.1/../../x",
        "home-gateway/1.1/..",
        "/home-gateway/1.1/x",
        "home-gateway/1.1/a/b",
        "home-gateway/1.1/.hidden",
        "home-gateway/1.1/a\x00b",
        "home-gateway/1.1/" + "a" * 200,
        "home-gateway//x",
        "",
    ],
)
def test_paths_with_tricks_are_refused(machine: Machine, maker: Maker, path: str) -> None:
    del maker
    content = b"x"
    machine.upload(content)
    files = {path: hashlib.sha256(content).hexdigest()}
    status, answer = machine.post("/api/releases", {"metadata": {}, "files": files})
    assert (status, answer["error"]["code"]) == (400, "bad-request")


@pytest.mark.parametrize("name", ["../1.root.json", "a/b.json", "1.root.json\n", "x", ".json"])
def test_list_names_with_tricks_are_refused(machine: Machine, name: str) -> None:
    status, answer = machine.post("/api/repository", {"metadata": {name: ""}})
    assert (status, answer["error"]["code"]) == (400, "bad-request")


@pytest.mark.parametrize(
    "body",
    [b" ", b"{", b"[]", b'{"metadata": 1}', b'{"metadata": {"1.root.json": "!"}}',
     b'{"metadata": {}, "more": 1}', b"[" * 100_000, b'{"metadata": {"a": null}}', b"\xff\xfe"],
)  # fmt: skip
def test_broken_json_is_refused(machine: Machine, body: bytes) -> None:
    answer = machine.client.post(
        "/api/repository", body, content_type="application/json", headers=machine.headers
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad-request"


def test_an_upload_with_another_digest_is_not_kept(machine: Machine) -> None:
    status, answer = machine.upload(b"one", hashlib.sha256(b"two").hexdigest())
    assert (status, answer["error"]["code"]) == (422, "upload")
    assert not list(settings.HUB.uploads.iterdir())


@pytest.mark.parametrize("digest", ["x", "A" * 64, "0" * 63, "%2e%2e%2fsecret-key", "..", "0" * 65])
def test_an_upload_has_a_digest_as_its_address(machine: Machine, digest: str) -> None:
    answer = machine.client.put(f"/api/uploads/{digest}", b"x", headers=machine.headers)
    assert answer.status_code in {404, 422}
    assert not list(settings.HUB.uploads.iterdir())


def test_an_upload_must_say_how_long_it_is_and_not_be_too_long(machine: Machine) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    missing = machine.client.generic("PUT", f"/api/uploads/{digest}", headers=machine.headers)
    assert missing.json()["error"]["code"] in {"length-needed", "upload"}
    huge = machine.client.generic(
        "PUT",
        f"/api/uploads/{digest}",
        headers=machine.headers,
        CONTENT_LENGTH=str(settings.HUB.upload_limit_bytes + 1),
    )
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too-large")
    assert not list(settings.HUB.uploads.iterdir())


def test_an_upload_that_ends_early_is_not_kept(db: Path) -> None:
    del db
    digest = hashlib.sha256(b"xyz").hexdigest()
    with pytest.raises(UploadError, match="ended after 2 of 3 bytes"):
        services.uploads().take(BytesIO(b"xy"), sha256=digest, size_bytes=3)
    assert not list(settings.HUB.uploads.iterdir())


def test_an_endless_upload_is_read_to_its_announced_end_only(db: Path) -> None:
    del db
    endless = Endless()
    with pytest.raises(UploadError):
        services.uploads().take(endless, sha256="0" * 64, size_bytes=5 << 20)
    assert endless.given_bytes == 5 << 20
    assert not list(settings.HUB.uploads.iterdir())


class Endless(BytesIO):
    """Gives as much as anybody reads."""

    given_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        self.given_bytes += size
        return bytes(size)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "Token {token}", "{token}",
     "Bearer {token}x"],
)  # fmt: skip
def test_a_wrong_token_opens_nothing(client: Client, token: str, header: str) -> None:
    answer = client.post(
        "/api/releases",
        "{}",
        content_type="application/json",
        headers={"Authorization": header.format(token=token)},
    )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "token"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_cookie_does_not_open_the_api(staff_client: Client) -> None:
    answer = staff_client.post("/api/releases", "{}", content_type="application/json")
    assert answer.status_code == 401


def test_a_revoked_token_opens_nothing(machine: Machine, staff_client: Client) -> None:
    staff_client.post(f"/tokens/{ApiToken.objects.get().pk}/revoke/")
    status, answer = machine.post("/api/repository", {"metadata": {}})
    assert (status, answer["error"]["code"]) == (401, "token")


def test_another_method_is_refused_as_json(machine: Machine) -> None:
    answer = machine.client.get("/api/releases", headers=machine.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method")


def test_an_unknown_address_is_refused_as_json(client: Client) -> None:
    answer = client.get("/api/nothing")
    assert answer.status_code == 404
    assert json.loads(answer.content)["error"]["code"] == "not-found"


# The profile in a release


def refused(machine: Machine, maker: Maker, profile: bytes) -> dict[str, Any]:
    """Publish a release with this profile; return the refusal, after which nothing is published."""
    files = maker.release("1.1", profile=profile)
    for content in files.values():
        machine.upload(content)
    lists = services.repository().metadata
    before = {path.name: path.read_bytes() for path in lists.iterdir()}
    status, answer = machine.post("/api/releases", maker.publication(files))
    assert 400 <= status < 500
    assert not Release.objects.exists()
    assert {path.name: path.read_bytes() for path in lists.iterdir()} == before
    fault: dict[str, Any] = answer["error"]
    assert fault["hint"]
    return fault


def test_a_release_says_nothing_about_another_product(
    machine: Machine, maker: Maker, product: Product
) -> None:
    """Whoever signs for the gateway must not change what the hub believes about the camera."""
    camera = (EXAMPLES / "camera/product.toml").read_bytes()
    before = take_profile(camera, by="ada")
    forged = camera.replace(b"[support]", b"# mine\n[support]")
    assert forged != camera
    fault = refused(machine, maker, forged)
    assert fault["code"] == "update-wrong-product"
    assert "home-gateway" in fault["message"]
    before.refresh_from_db()
    product.refresh_from_db()
    assert before.profile.encode() == camera


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ((b"health_s", b"helth_s"), "did you mean health_s?"),
        ((b"[support]", b"[suport]"), "did you mean support?"),
        ((b"vendor", b"\xff"), "UTF-8"),
        ((b"[", b"[["), "not TOML"),
        ((b'product = "home-gateway"', b'product = "root"'), "product"),
    ],
)
def test_a_profile_with_a_fault_is_not_published(
    machine: Machine, maker: Maker, change: tuple[bytes, bytes], named: str
) -> None:
    profile = (EXAMPLES / "home-gateway/product.toml").read_bytes()
    fault = refused(machine, maker, profile.replace(*change, 1))
    assert fault["code"] == "product-profile"
    assert named in fault["message"]


def test_a_profile_without_end_is_not_read(machine: Machine, maker: Maker) -> None:
    profile = (EXAMPLES / "home-gateway/product.toml").read_bytes()
    fault = refused(machine, maker, profile + b"#" * LARGEST_PROFILE_BYTES)
    assert fault["code"] == "too-large"


def test_one_release_that_does_not_fit_stops_no_start(
    machine: Machine, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.publish(maker, "1.1")
    Artifact.objects.all().delete()
    Release.objects.all().delete()

    def unfit(*_: object) -> None:
        raise UploadError("not of our time")

    with monkeypatch.context() as patch:
        patch.setattr(services, "_must_describe", unfit)
        services.recover()
    assert not Release.objects.exists()
    services.recover()
    assert Release.objects.get().version == "1.1"


# The disk


def test_one_token_cannot_fill_the_disk(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, upload_limit_bytes=1000))
    taken = [machine.upload(bytes([number]) * 900)[0] for number in range(6)]
    assert taken == [201, 201, 201, 507, 507, 507]
    _status, answer = machine.upload(b"x" * 900)
    assert answer["error"]["code"] == "no-space"
    assert "wait for a release" in answer["error"]["message"]
    assert "after a day" in answer["error"]["hint"]


def test_uploads_that_come_together_do_not_share_the_same_room(db: Path) -> None:
    del db
    place = Uploads(settings.HUB.uploads, limit_bytes=1000)
    content = b"y" * 900
    digest = hashlib.sha256(content).hexdigest()
    inside: list[str] = []

    class Slow(BytesIO):
        """While this is read, another one comes."""

        def read(self, size: int | None = -1, /) -> bytes:
            if len(inside) < 6:
                inside.append("")
                try:
                    place.take(Slow(content), sha256=digest, size_bytes=900)
                    inside.append("taken")
                except NoSpaceError as error:
                    inside.append(error.code)
            return super().read(size)

    place.take(Slow(content), sha256=digest, size_bytes=900)
    assert "no-space" in inside
    assert [path.name for path in settings.HUB.uploads.iterdir()] == [digest]


def test_a_full_disk_during_an_upload_leaves_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    status, answer = machine.upload(b"one")
    assert (status, answer["error"]["code"]) == (507, "no-space")
    assert answer["error"]["hint"]
    assert not list(settings.HUB.uploads.iterdir())


def test_a_full_disk_while_publishing_leaves_what_was_there(
    machine: Machine, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.publish(maker, "1.1")
    files = maker.release("1.2")
    for content in files.values():
        machine.upload(content)
    whole = os.fsync
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        status, answer = machine.post("/api/releases", maker.publication(files))
    assert (status, answer["error"]["code"]) == (507, "no-space")
    assert [found.version for found in Release.objects.all()] == ["1.1"]
    assert not list(settings.HUB.state.glob("bundle-*"))
    services.recover()
    assert machine.post("/api/releases", maker.publication(files))[0] == 201
    assert Release.objects.count() == 2


@pytest.mark.parametrize("moment", ["before", "during"])
def test_a_file_that_goes_or_changes_while_publishing(
    machine: Machine, maker: Maker, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    files = maker.release("1.1")
    for content in files.values():
        machine.upload(content)
    image = next(content for path, content in files.items() if path.endswith(".squashfs"))
    place = settings.HUB.uploads / hashlib.sha256(image).hexdigest()
    if moment == "before":
        place.unlink()
        expected = "upload"
    else:
        lay_out = services._lay_out

        def swapped(folder: Path, lists: dict[str, bytes], given: dict[str, str]) -> None:
            lay_out(folder, lists, given)
            place.write_bytes(image.replace(b"image", b"imagE", 1))

        monkeypatch.setattr(services, "_lay_out", swapped)
        expected = "update-tampered"
    status, answer = machine.post("/api/releases", maker.publication(files))
    assert answer["error"]["code"] == expected
    assert status in {409, 422}
    assert answer["error"]["hint"]
    assert not Release.objects.exists()
