"""Hundreds of hostile inputs, each through the real confined child.

Each ends within its limits, nothing is written outside the child's own folder, and the parent
always gets a report.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast.audit.child import Settings, judge
from holdfast.audit.limits import Limits
from holdfast.audit.report.shapes import Report
from holdfast.core.process import run
from tests.audit.hostile import BOMBS, CANARY, damaged, sound, strange, ways_out
from tests.audit.unpack.boxes import SYSTEM, cpio, tar

pytestmark = pytest.mark.slow

LIMITS = Limits(
    seconds=30,
    memory_bytes=2 << 30,
    unpacked_bytes=64 << 20,
    file_bytes=32 << 20,
    files=20_000,
    depth=6,
)
LATE_S = 15.0  # the parent's grace, and what a busy machine adds
BATCH = 30
ANYWHERE = [Path(f"/{CANARY}"), Path(f"/tmp/{CANARY}"), Path(f"/root/{CANARY}")]  # noqa: S108

OTHERS_BATCHES = 6
FUZZED_BATCHES = 11


@cache
def others() -> list[tuple[str, bytes]]:
    return [*ways_out(), *strange()]


@cache
def fuzzed() -> list[tuple[str, bytes]]:
    return [
        (f"{form} damaged {number}", content)
        for form, image in sound().items()
        for number, content in enumerate(
            damaged(image, 40 if form.startswith("squashfs") else 10, seed=7)
        )
    ]


def batch_of(several: list[tuple[str, bytes]], number: int) -> bytes:
    part = several[number * BATCH : (number + 1) * BATCH]
    assert part
    return tar({f"{place:02}.img": content for place, (_, content) in enumerate(part)})


def test_there_are_enough_and_all_are_tried() -> None:
    names = [*BOMBS, *(name for name, _ in (*others(), *fuzzed()))]
    assert len(names) == len(set(names))
    assert len(names) >= 500
    assert (OTHERS_BATCHES - 1) * BATCH < len(others()) <= OTHERS_BATCHES * BATCH
    assert (FUZZED_BATCHES - 1) * BATCH < len(fuzzed()) <= FUZZED_BATCHES * BATCH


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder for images, amid folders in which nothing may change."""
    with TemporaryDirectory(prefix="holdfast-hostile-") as name:
        above = Path(name)
        above.chmod(0o755)
        for each in ("images", "home", "here", "scratch"):
            (above / each).mkdir()
            (above / each).chmod(0o755)
        (above / "home/file").write_text("as it was")
        (above / "here/etc").mkdir()
        (above / "here/etc/passwd").write_text("as it was")
        monkeypatch.setenv("HOME", str(above / "home"))
        monkeypatch.chdir(above / "here")
        yield above / "images"
        assert list((above / "scratch").iterdir()) == []
        left = {path.relative_to(above) for path in above.rglob("*") if "images" not in path.parts}
        assert {str(each) for each in left} == {
            "home", "home/file", "here", "here/etc", "here/etc/passwd", "scratch",
        }  # fmt: skip
        assert (above / "home/file").read_text() == "as it was"
        assert (above / "here/etc/passwd").read_text() == "as it was"
        assert [path for path in ANYWHERE if os.path.lexists(path)] == []


def judged(folder: Path, content: bytes) -> Report:
    path = folder / "image.bin"
    path.write_bytes(content)
    start = time.monotonic()
    settings = Settings(limits=LIMITS, scratch=folder.parent / "scratch", workers=1)
    report = judge(path, settings)
    assert time.monotonic() - start < LIMITS.seconds + LATE_S
    assert path.read_bytes() == content
    return report


MISTAKES = ("reader failed", "check itself failed", "the reader of", "reading it failed",
            "could be built", "not all known", "what looks at contents")  # fmt: skip


def mistakes(report: Report) -> list[str]:
    """List where a reader or a check failed in a way that it must not."""
    told = [piece.why for piece in report.opened.unopened] + [c.reason for c in report.checks]
    return [each for each in (*told, *report.notes) if any(word in each for word in MISTAKES)]


COMPLETE = {"many roots", "passwords without end", "scripts without end", "one long line",
            "a script that calls itself", "certificates without end", "strings of versions",
            "squashfs in squashfs", "kernels without end", "settings without end",
            "many volumes"}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_within_its_limits(watched: Path, name: str) -> None:
    report = judged(watched, BOMBS[name]())
    assert mistakes(report) == []
    if name not in COMPLETE:
        assert not report.opened.complete
        assert report.outcome != "pass"
        assert report.opened.limits or report.opened.unopened


@pytest.mark.parametrize("number", range(OTHERS_BATCHES))
def test_strange_things_are_only_read(watched: Path, number: int) -> None:
    report = judged(watched, batch_of(others(), number))
    assert mistakes(report) == []
    for volume in report.opened.volumes:
        assert volume.name.isprintable()
        assert "/" not in volume.name
    host = Path("/etc/passwd").read_bytes().splitlines()[0]
    assert host.decode() not in repr(report.model)


@pytest.mark.parametrize("number", range(0, 170, 17))
def test_ways_out_lead_nowhere_as_an_image_of_their_own(watched: Path, number: int) -> None:
    assert mistakes(judged(watched, others()[number][1])) == []


@pytest.mark.parametrize("number", range(FUZZED_BATCHES))
def test_damage_of_every_format_ends_in_a_report(watched: Path, number: int) -> None:
    assert mistakes(judged(watched, batch_of(fuzzed(), number))) == []


PROGRAMS = {
    "ext4": "mkfs.ext4 -q -d {folder} {image} 2M",
    "jffs2": "mkfs.jffs2 -q -r {folder} -o {image}",
    "cramfs": "mkfs.cramfs {folder} {image}",
    "romfs": "genromfs -d {folder} -f {image}",
    "erofs": "mkfs.erofs --quiet {image} {folder}",
    "iso": "genisoimage -quiet -R -o {image} {folder}",
    "squashfs": "mksquashfs {folder} {image} -comp xz -quiet -no-progress -noappend",
    "ubifs": "mkfs.ubifs -m 2048 -e 126976 -c 100 -r {folder} -o {image}",
    "fat": "mkfs.vfat -C {image} 1024",
}


@pytest.mark.servers
@pytest.mark.parametrize("form", PROGRAMS)
def test_damage_of_real_file_systems_ends_in_a_report(
    need: Callable[[str], str], watched: Path, tmp_path: Path, form: str
) -> None:
    program, *words = PROGRAMS[form].split()
    folder, image = tmp_path / "root", tmp_path / "image"
    for path, content in SYSTEM.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content if isinstance(content, bytes) else b"link")
    command = [word.format(folder=folder, image=image) for word in words]
    run([need(program), *command], timeout_s=60)
    if form == "fat":
        run([need("mcopy"), "-s", "-i", image, *folder.iterdir(), "::"], timeout_s=60)
    whole = image.read_bytes()
    if len(whole) > 300_000:  # mostly nothing
        whole = whole.rstrip(b"\0") + bytes(4096)
    batch = {f"{number:02}.img": each for number, each in enumerate(damaged(whole, BATCH, 3))}
    assert mistakes(judged(watched, tar(batch))) == []


def test_a_folder_full_of_traps(watched: Path) -> None:
    folder = watched / "rootfs"
    (folder / "etc").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "etc/passwd").symlink_to("/etc/passwd")
    (folder / "etc/shadow").symlink_to("../../../home/file")
    (folder / "bin/sh").symlink_to("/bin/sh")
    (folder / "etc/loop").symlink_to("loop")
    os.mkfifo(folder / "etc/pipe")
    (folder / "huge").touch()
    os.truncate(folder / "huge", 1 << 40)
    (folder / "image").write_bytes(cpio(SYSTEM))
    shutil.copytree(folder, folder / "copy", symlinks=True, ignore=lambda _, names: {"huge", *(
        name for name in names if name == "pipe")})  # fmt: skip
    report = judge(folder, Settings(limits=LIMITS, scratch=watched.parent / "scratch"))
    assert mistakes(report) == []
    assert "as it was" not in repr(report)
    assert not report.opened.complete
    shutil.rmtree(folder)
