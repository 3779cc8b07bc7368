"""`holdfast audit` as a person and a program meet it, before any image is opened."""

import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.errors import SubjectError
from holdfast.audit.limits import Limits
from holdfast.audit.report.document import encode
from holdfast.cli.audit.subjects import subjects
from holdfast.cli.audit.terms import limits
from holdfast.core.errors import UsageError
from holdfast.core.process import Result, run
from tests.audit.report.sample import fine, sample

COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()", "audit"]
HEAVY = {"lief", "unblob", "cyclonedx", "jinja2", "hyperscan", "django", "cryptography", "tuf"}


def holdfast(*words: str | Path, cwd: Path | None = None) -> Result:
    return run([*COMMAND, *words], timeout_s=60, check=False, cwd=cwd)


def told(*words: str | Path) -> str:
    result = holdfast(*words)
    assert (result.exit_code, result.stdout) == (2, b"")
    return result.stderr.decode()


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['holdfast', 'audit', '--help']\n"
        "from holdfast.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    result = run([sys.executable, "-c", code], timeout_s=30)
    help_text, _, loaded = result.stdout.decode().rpartition("LOADED")
    assert not HEAVY & set(loaded.split())
    for word in ("IMAGE...", "--sarif", "--scheduler", "diff", "db", "schema", "--live"):
        assert word in help_text


def test_help_of_a_subcommand() -> None:
    assert b"--all" in holdfast("diff", "--help").stdout


def test_without_a_word_it_shows_its_help() -> None:
    result = holdfast()
    assert b"IMAGE..." in result.stdout + result.stderr


def test_schema_prints_the_committed_page() -> None:
    page = Path(__file__).parents[2] / "docs/reference/audit-report.schema.json"
    assert holdfast("schema").stdout == page.read_bytes()


# ---- nonsense ----------------------------------------------------------------------------------


def test_what_is_missing_empty_or_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
    for name, words in (
        ("missing", "No such file"),
        ("empty", "is empty"),
        ("folder", "holds no image"),
        ("pipe", "neither a file nor a folder"),
        ("socket", "neither a file nor a folder"),
    ):
        for each in (False, True):
            with pytest.raises(SubjectError, match=words):
                subjects([tmp_path / name], each=each, as_root=False)
    assert "[audit-subject]" in told(tmp_path / "missing")
    assert "Did you mean `holdfast audit diff`?" in told("dif", "a", "b")
    with pytest.raises(SubjectError, match="null"):
        subjects([Path("a\0b")], each=False, as_root=False)


def test_what_is_closed(as_nobody: Path) -> None:
    tmp_path = as_nobody
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0)
    (tmp_path / "below/closed").mkdir(parents=True, mode=0o755)
    (tmp_path / "below/closed").chmod(0)
    for name in ("closed", "file", "below"):
        with pytest.raises(SubjectError, match="cannot be opened"):
            subjects([tmp_path / name], each=False, as_root=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--jobs", "2"), "name an image"),
        (("--live", "IMAGE"), "takes no image"),
        (("--each", "--as-root", "IMAGE"), "contradict"),
        (("--cache", "x", "--no-cache", "IMAGE"), "contradict"),
        (("--limit", "second=3", "IMAGE"), "Did you mean seconds?"),
        (("--limit", "seconds=soon", "IMAGE"), "needs a number"),
        (("--db", "missing", "IMAGE"), "no file with vulnerability data"),
        (("--product", "missing.toml", "IMAGE"), "cannot be read"),
        (("--baseline", "missing.json", "IMAGE"), "cannot be read"),
        (("--known-keys", "missing.txt", "IMAGE"), "cannot be read"),
        (("--known-keys", "IMAGE", "IMAGE"), "IMAGE:1: this line names no key"),
        (("--baseline", "IMAGE", "IMAGE"), "no report of an audit"),
        (("--html", "/dev/null", "IMAGE"), "no plain file"),
        (("--html", "missing/page.html", "IMAGE"), "cannot be written"),
        (("--html", "x", "--sarif", "./x", "IMAGE"), "the same file"),
        (("--out", "IMAGE", "IMAGE"), "cannot be made"),
        (("--html", "x", "IMAGE", "OTHER"), "for many there is --out"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_opened(
    tmp_path: Path, words: tuple[str, ...], answer: str
) -> None:
    for name in ("IMAGE", "OTHER"):
        (tmp_path / name).write_bytes(b"nothing that could be opened")
    before = sorted(path.name for path in tmp_path.iterdir())
    result = holdfast(*words, cwd=tmp_path)
    assert (result.exit_code, result.stdout) == (2, b"")
    assert answer in result.stderr.decode().replace("\n", " ")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# ---- what is judged ----------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder as people keep them: images, notes, a root file system, things below."""
    for name in ("b.bin", "a.bin", "notes.txt", ".hidden", "below/c.img", "below/deep/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    (tmp_path / "empty.bin").write_bytes(b"")
    (tmp_path / "link.bin").symlink_to("a.bin")
    (tmp_path / "loop").symlink_to(tmp_path)
    for name in ("rootfs/etc", "rootfs/bin", "release/targets"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "release/release.json").write_text("{}")
    return tmp_path


def names(found: list[Path], above: Path) -> list[str]:
    return [str(path.relative_to(above)) for path in found]


def test_a_folder_full_of_images(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = subjects([shelf], each=False, as_root=False)
    assert sorted(names(found, shelf)) == [
        "a.bin",
        "b.bin",
        "below/c.img",
        "below/deep/d",
        "release",
        "rootfs",
    ]
    assert "5 names left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folders", "is_one"), [("bin lib dev usr", True), ("bin old new usr", False)]
)
def test_a_root_without_its_settings_is_still_one(
    tmp_path: Path,
    folders: str,
    is_one: bool,  # noqa: FBT001
) -> None:
    for name in folders.split():
        (tmp_path / name).mkdir()
    (tmp_path / "bin/tool").write_bytes(b"x")
    found = subjects([tmp_path], each=False, as_root=False)
    assert found == [tmp_path if is_one else tmp_path / "bin/tool"]


def test_a_root_file_system_is_one_thing_unless_told(shelf: Path) -> None:
    root = shelf / "rootfs"
    assert subjects([root], each=False, as_root=False) == [root]
    (root / "bin/tool").write_bytes(b"x")
    assert subjects([root], each=True, as_root=False) == [root / "bin/tool"]
    assert subjects([shelf], each=False, as_root=True) == [shelf]
    assert subjects([shelf / "release"], each=False, as_root=False) == [shelf / "release"]


def test_each_thing_is_judged_once(shelf: Path) -> None:
    one = shelf / "a.bin"
    assert subjects([one, shelf / "below/../a.bin"], each=False, as_root=False) == [one]


# ---- limits ------------------------------------------------------------------------------------


def test_limits_are_read_with_units() -> None:
    assert limits(["seconds=60", "memory_bytes=2G", "file_bytes=512K"]) == Limits(
        seconds=60, memory_bytes=2 * 1024**3, file_bytes=512 * 1024
    )
    assert limits([]) == Limits()


@given(st.text(max_size=30))
def test_any_text_is_a_limit_or_refused(text: str) -> None:
    for asked in (text, f"seconds={text}"):
        with suppress(UsageError):
            assert limits([asked]).seconds > 0


@given(st.text(max_size=30).filter(lambda text: "=" not in text))
def test_what_is_wrong_with_a_limit_is_printable(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits([f"x{text}"])
    assert str(caught.value).isprintable()


# ---- comparing reports -------------------------------------------------------------------------


@pytest.fixture
def reports(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(encode(fine()))
    new.write_bytes(encode(sample()))
    return old, new


@pytest.mark.slow
def test_diff_of_reports(reports: tuple[Path, Path]) -> None:
    old, new = reports
    worse = holdfast("diff", old, new)
    assert worse.exit_code == 1
    text = worse.stdout.decode()
    assert "It became worse." in text
    assert "telnet-off: pass → fail" in text
    assert "and 13 more: --all" in text
    assert "and 13 more" not in holdfast("diff", "--all", old, new).stdout.decode()
    assert holdfast("diff", new, old).exit_code == 0
    same = holdfast("diff", old, old)
    assert (same.exit_code, same.stdout) == (0, b"Nothing became worse.\n")


def test_diff_for_programs(reports: tuple[Path, Path]) -> None:
    result = holdfast("diff", "--json", *reports)
    made = json.loads(result.stdout)
    assert (made["outcome"], result.exit_code) == ("worse", 1)
    assert {each["rule"] for each in made["verdicts"]} >= {"telnet-off"}


def test_diff_refuses_what_only_looks_like_a_report(tmp_path: Path) -> None:
    wrong = tmp_path / "report.json"
    wrong.write_bytes(b'{"format":1,"made":3}')
    assert "[audit-report]" in told("diff", wrong, wrong)
