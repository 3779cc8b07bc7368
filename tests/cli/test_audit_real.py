"""`holdfast audit` on images that are really opened, one, many, and over a scheduler."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from holdfast.audit.report.document import decode, read
from holdfast.audit.report.shapes import Placed, Report
from holdfast.core.process import Result, run
from holdfast.product import Starter, write_new
from tests.audit.facts import key_forms as forms

pytestmark = [pytest.mark.slow, pytest.mark.servers]

START = [sys.executable, "-c", "from holdfast.cli import main; main()", "audit"]
PROFILE = Path(__file__).parents[2] / "examples/camera/product.toml"
ROOTFS = {
    "etc/passwd": "root::0:0:root:/root:/bin/sh\n",
    "etc/inittab": "::sysinit:/etc/init.d/rcS\n::respawn:/sbin/telnetd -F\n",
    "etc/init.d/rcS": "#!/bin/sh\n/sbin/telnetd\n",
    "bin/sh": "#!/bin/sh\n",
}


def holdfast(*words: str | Path, cwd: Path | None = None) -> Result:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd or "/nonexistent")}
    return run([*START, *words], timeout_s=120, check=False, cwd=cwd, env=environment)


def image(path: Path, **more: str) -> Path:
    """Make a tar with a root file system that has no password."""
    with tarfile.open(path, "w") as file:
        for name, text in (ROOTFS | more).items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o755
            file.addfile(entry, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return image(tmp_path / "router.tar")


def test_one_image_and_all_its_files(one: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = holdfast(one, "--out", out, "--html", tmp_path / "page.html", "--no-cache")
    assert result.exit_code == 1, result.stderr.decode()
    assert "password-not-empty" in result.stdout.decode()
    assert len(result.stdout.splitlines()) <= 40
    assert result.stderr == b""
    assert sorted(path.name for path in out.iterdir()) == [
        "findings.sarif",
        "report.json",
        "sbom.cdx.json",
        "sbom.spdx.json",
        "vex.cdx.json",
    ]
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert read(out / "report.json").subject.name == "router.tar"


def test_json_on_standard_output(one: Path) -> None:
    result = holdfast(one, "--json", "--no-cache")
    report = decode(result.stdout)
    assert report.outcome == "fail"
    assert result.exit_code == 1
    assert json.loads(result.stdout)["format"] == 1


def test_a_list_of_known_keys_of_ones_own(tmp_path: Path) -> None:
    key = forms.private("rsa")
    with_key = image(tmp_path / "router.tar", **{"etc/server.key": forms.written(key).decode()})
    lists = [tmp_path / "ours.txt", tmp_path / "theirs.txt"]
    lists[0].write_text("# none yet\n")
    lists[1].write_text(f"published {forms.fingerprint(key)} a leaked image of 2024\n")
    words = (with_key, "--json", "--no-cache", "--known-keys", lists[0])
    report = decode(holdfast(*words).stdout)
    assert shared_keys(report) == []
    report = decode(holdfast(*words, "--known-keys", lists[1]).stdout)
    (found,) = shared_keys(report)
    assert found.where.endswith("etc/server.key")
    assert found.evidence == ("known from published: a leaked image of 2024",)


def shared_keys(report: Report) -> list[Placed]:
    return [
        found
        for each in report.checks
        if each.rule == "key-shared-known"
        for found in each.findings
    ]


def test_a_waiver_and_its_end(one: Path, tmp_path: Path) -> None:
    def judged(until: str) -> tuple[set[str], tuple[str, ...]]:
        profile = tmp_path / "product.toml"
        profile.write_text(
            PROFILE.read_text()
            + f'\n[[waivers]]\nrule = "password-not-empty"\nplace = "etc/passwd"\n'
            f'reason = "It is a test"\nwho = "Ada"\nuntil = {until}\n'
        )
        report = decode(holdfast(one, "--json", "--no-cache", "--product", profile).stdout)
        failing = {each.rule for each in report.checks if each.verdict.value == "fail"}
        return failing, tuple(note for note in report.notes if "password-not-empty" in note)

    waived, notes = judged("2090-01-01")
    assert "password-not-empty" not in waived
    assert notes == ()
    ended, notes = judged("2021-01-01")
    assert "password-not-empty" in ended
    assert any("ended on 2021-01-01" in note for note in notes)


def test_a_folder_of_images_and_one_that_is_none(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    image(images / "a.tar")
    image(images / "b.tar", extra="more")
    (images / "c.bin").write_bytes(os.urandom(5000))
    result = holdfast(images, "--jobs", "2", "--out", tmp_path / "out", "--no-cache")
    lines = [line.split("\t") for line in result.stdout.decode().splitlines()]
    assert lines[0][:2] == ["image", "outcome"]
    assert [line[:2] for line in lines[1:4]] == [
        [str(images / "a.tar"), "fail"],
        [str(images / "b.tar"), "fail"],
        [str(images / "c.bin"), "undecided"],
    ]
    assert result.exit_code == 1
    assert read(tmp_path / "out/b.tar/report.json").subject.name == "b.tar"
    streamed = holdfast(images, "--jobs", "2", "--json", "--no-cache")
    assert sorted(decode(line).subject.name for line in streamed.stdout.splitlines()) == [
        "a.tar",
        "b.tar",
        "c.bin",
    ]


def test_what_nobody_knows_is_undecided(tmp_path: Path) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(os.urandom(4096))
    result = holdfast(path, "--no-cache")
    assert result.exit_code == 3
    assert "Not opened: " in result.stdout.decode()


def test_a_limit_that_is_reached_is_told(one: Path) -> None:
    result = holdfast(one, "--no-cache", "--limit", "files=2")
    assert result.exit_code in {1, 3}
    assert "limit files = 2" in result.stdout.decode()


def test_diff_of_images(tmp_path: Path) -> None:
    fixed = image(tmp_path / "new.tar", **{"etc/passwd": "root:*:0:0:root:/root:/bin/sh\n"})
    old = image(tmp_path / "old.tar")
    better = holdfast("diff", "--no-cache", old, fixed)
    assert b"password-not-empty: fail" in better.stdout
    assert b"~ etc/passwd: content" in better.stdout
    worse = holdfast("diff", "--no-cache", fixed, old)
    assert worse.exit_code == 1


def leftovers() -> set[str]:
    """Private folders of confined children, and the children themselves."""
    folders = {str(path) for path in Path("/tmp").glob("holdfast-audit-*")}  # noqa: S108 - looked at
    children = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"holdfast.audit.inside" in path.read_bytes():
                children.add(str(path.parent))
    return folders | children


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(6):
        image(images / f"{number}.tar")
    before = leftovers()
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*START, str(images), "--jobs", "2", "--no-cache"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    shown = b""
    until = time.monotonic() + 30
    while b"opening" not in shown and time.monotonic() < until:
        with suppress(OSError):
            shown += os.read(leader, 4096)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=30)
    os.close(leader)
    assert b"Traceback" not in shown
    until = time.monotonic() + 10
    while leftovers() - before and time.monotonic() < until:
        time.sleep(0.05)
    assert leftovers() - before == set()
    assert process.returncode in {1, 130}


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Dask scheduler with two workers on this machine."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    code = (
        "from distributed import LocalCluster\n"
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None,\n"
        "                           host='127.0.0.1')\n"
        "    print(cluster.scheduler_address, flush=True)\n"
        "    sys.stdin.read()\n"
        "    cluster.close()\n"
    )
    script = folder / "cluster.py"
    script.write_text(code)
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(timeout=20)


def test_over_a_scheduler(scheduler: str, tmp_path: Path) -> None:
    assert scheduler.startswith("tcp://127.0.0.1:")
    images = tmp_path / "images"
    images.mkdir()
    image(images / "a.tar")
    image(images / "b.tar")
    out = tmp_path / "out"
    result = holdfast(images, "--scheduler", scheduler, "--out", out, "--no-cache")
    assert result.exit_code == 1, result.stderr.decode()
    assert read(out / "a.tar/report.json").outcome == "fail"
    assert [line.split("\t")[1] for line in result.stdout.decode().splitlines()[1:3]] == [
        "fail",
        "fail",
    ]


def test_no_scheduler(one: Path) -> None:
    result = holdfast(one, "--scheduler", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "no scheduler answers" in result.stderr.decode()


def test_this_system() -> None:
    result = holdfast("--live", "--json", "--no-cache", "--limit", "seconds=60")
    report = decode(result.stdout)
    assert report.subject.kind == "live"
    assert result.exit_code in {0, 1, 3}
    assert report.checks


def test_a_starter_profile_fits_the_audit(one: Path, tmp_path: Path) -> None:
    profile = tmp_path / "product.toml"
    write_new(
        profile,
        Starter(
            vendor="Acme", product="acme-lamp", name="Lamp", model="L", hardware=["a"],
            markets=["EU"], site="acme.example", since=date(2026, 1, 1),
        ),
    )  # fmt: skip
    report = decode(holdfast(one, "--json", "--no-cache", "--product", profile).stdout)
    assert report.subject.product == "acme-lamp"
