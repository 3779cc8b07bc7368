"""A path is an image, a folder, or the folder of a release; nothing else is judged."""

import json
import os
import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from holdfast.audit.errors import SubjectError
from holdfast.audit.subjects import open_subject
from holdfast.updates.bundle import Recipe, build
from holdfast.updates.release import Severity, Version

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROFILE = Path(__file__).parents[2] / "examples/camera/product.toml"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "camera.img"
    path.write_bytes(b"an image" * 1000)
    return path


@pytest.fixture
def release(tmp_path: Path, image: Path) -> Path:
    recipe = Recipe(
        product="camera",
        hardware=("a",),
        version=Version.parse("1.1"),
        floor=Version.parse("1.0"),
        severity=Severity.HIGH,
        notes="Closes a hole.",
        fixes=(),
        artifact=image,
        profile=PROFILE,
    )
    build(recipe, tmp_path / "release", now=NOW)
    return tmp_path / "release"


def test_an_image(image: Path) -> None:
    opened = open_subject(image, product="camera")
    assert opened.image is not None
    assert os.pread(opened.image, 8, 0) == b"an image"
    os.close(opened.image)
    assert opened.subject.kind == "image"
    assert opened.subject.name == "camera.img"
    assert opened.subject.product == "camera"
    assert opened.subject.sha256 == sha256(image.read_bytes()).hexdigest()
    assert opened.subject.size_bytes == 8000


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    opened = open_subject(tmp_path / "rootfs/../rootfs")
    assert (opened.image, opened.folder) == (None, tmp_path / "rootfs")
    assert opened.subject.kind == "folder"
    assert opened.subject.name == "rootfs"
    assert opened.subject.sha256 == ""


def test_a_release_brings_its_profile(release: Path) -> None:
    opened = open_subject(release)
    assert opened.image is not None
    os.close(opened.image)
    assert opened.subject.kind == "release"
    assert (opened.subject.product, opened.subject.version) == ("camera", "1.1")
    assert opened.subject.name == "camera.img"
    assert opened.profile is not None
    assert opened.profile.identity.product == "camera"


def test_an_image_that_was_exchanged_is_refused(release: Path) -> None:
    (image,) = (release / "targets").rglob("camera.img")
    image.write_bytes(b"another")
    with pytest.raises(SubjectError, match="not the one"):
        open_subject(release)


def test_a_description_leads_nowhere_else(release: Path, tmp_path: Path) -> None:
    says = json.loads((release / "release.json").read_text())
    shutil.copy(PROFILE, tmp_path / "product.toml")
    says["beside"] = [["../../../product.toml", 1, "0" * 64]]
    (release / "release.json").write_text(json.dumps(says))
    opened = open_subject(release)
    assert opened.image is not None
    os.close(opened.image)
    assert opened.profile is None
    says["path"] = "../../etc/passwd"
    (release / "release.json").write_text(json.dumps(says))
    with pytest.raises(SubjectError):
        open_subject(release)


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 10_000, b'{"schema": 1}'])
def test_a_description_that_makes_no_sense_is_told(release: Path, content: bytes) -> None:
    (release / "release.json").write_bytes(content)
    with pytest.raises(SubjectError):
        open_subject(release)


def test_a_profile_that_is_wrong_is_told(release: Path) -> None:
    (profile,) = (release / "targets").rglob("product.toml")
    profile.write_text("format = 2\n")
    with pytest.raises(SubjectError, match=r"product\.toml"):
        open_subject(release)


def test_nothing_else_is_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for path in ("missing", "empty", "pipe"):
        with pytest.raises(SubjectError):
            open_subject(tmp_path / path)
    with pytest.raises(SubjectError):
        open_subject(Path("/dev/zero"))
