"""Files are written whole or not at all, and never where they do harm."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.audit.report import outputs
from holdfast.audit.report.document import read
from holdfast.audit.report.outputs import FORMS, OutputError, in_folder, prepare, write
from holdfast.core.errors import NoSpaceError
from holdfast.core.process import run
from tests.audit.report.sample import hostile, sample


def test_every_form_is_written(tmp_path: Path) -> None:
    places = in_folder(tmp_path)
    prepare(places)
    write(sample(), places)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        form.file for form in FORMS.values()
    )
    assert read(tmp_path / "report.json") == sample()
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write(sample(), places)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_hostile_reports_too(tmp_path: Path) -> None:
    write(hostile(), in_folder(tmp_path))
    assert all(path.stat().st_size > 100 for path in tmp_path.iterdir())


def test_a_missing_folder_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        prepare({"html": tmp_path / "missing/page.html"})


def test_folders_and_devices_are_left_alone(tmp_path: Path) -> None:
    for place in (tmp_path, Path("/dev/null"), tmp_path / "nul\0"):
        with pytest.raises(OutputError, match="cannot be written"):
            prepare({"html": place})


def test_two_forms_cannot_have_one_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="--html and --sarif"):
        prepare({"html": tmp_path / "x", "sarif": tmp_path / "link/x"})


def test_a_closed_folder_is_told(as_nobody: Path) -> None:
    as_nobody.chmod(0o500)
    with pytest.raises(OutputError, match="closed to you"):
        prepare({"html": as_nobody / "page.html"})


@pytest.fixture
def small_disk(tmp_path: Path, need: Callable[[str], str]) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    kind = ("-t", "tmpfs", "-o", "size=64k", "none")
    if run([need("mount"), *kind, folder], timeout_s=10, check=False).exit_code != 0:
        pytest.skip("nothing may be mounted here")
    yield folder
    run([need("umount"), folder], timeout_s=10)


@pytest.mark.servers
def test_a_full_disk_leaves_whole_files_and_nothing_else(small_disk: Path) -> None:
    places = in_folder(small_disk)
    with pytest.raises(NoSpaceError):
        write(sample(), {"report": places["report"], "html": places["html"]})
    assert [path.name for path in small_disk.iterdir()] == ["report.json"]
    assert read(places["report"]) == sample()


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="no plain file"):
        write(sample(), {"report": pipe})
    assert pipe.is_fifo()


def test_nothing_is_written_if_one_form_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = outputs.Form(file="x", module="holdfast.audit.report.document", function="decode")
    monkeypatch.setattr(outputs, "FORMS", {**FORMS, "sarif": broken})
    with pytest.raises(TypeError):
        write(sample(), {"report": tmp_path / "a", "sarif": tmp_path / "b"})
    assert list(tmp_path.iterdir()) == []


def test_other_failures_name_the_place(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write(sample(), {"report": tmp_path / "missing/report.json"})
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=os.strerror(errno.ENOTDIR)):
        outputs.make_folder(tmp_path / "file/below")


def test_what_is_read_is_never_replaced(tmp_path: Path) -> None:
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"image")
    (tmp_path / "link").symlink_to(image)
    for place in (image, tmp_path / "link"):
        with pytest.raises(OutputError, match="the audit reads it"):
            prepare({"html": place}, read=[tmp_path / "absent", image])
    prepare({"html": tmp_path / "page.html"}, read=[image])
