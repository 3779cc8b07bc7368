"""`holdfast product` as a person and a program meet it."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.core.process import Result, run

ROOT = Path(__file__).parents[2]
CAMERA = ROOT / "examples" / "camera" / "product.toml"
GATEWAY = ROOT / "examples" / "home-gateway" / "product.toml"
COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()", "product"]


def holdfast(*words: str | Path, cwd: Path | None = None) -> Result:
    return run([*COMMAND, *words], timeout_s=60, check=False, cwd=cwd)


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.toml"
    text = CAMERA.read_text().replace("health_s = 90", "helth_s = 90")
    path.write_text(text.replace('user = "holdfast-gui"', 'user = "root"'))
    return path


def test_check_is_quiet_on_stdout_when_all_is_in_order() -> None:
    result = holdfast("check", CAMERA, GATEWAY)
    assert (result.exit_code, result.stdout) == (0, b"")
    assert result.stderr.decode().splitlines() == [f"{CAMERA}: in order", f"{GATEWAY}: in order"]


def test_check_prints_a_line_per_fault_into_a_pipe(wrong: Path) -> None:
    result = holdfast("check", wrong)
    user, health = result.stdout.decode().splitlines()
    lines = wrong.read_text().splitlines()
    at = lines.index('user = "root"') + 1
    assert user == f"{wrong}:{at}: gui.user: the administration pages may not run as root"
    at = lines.index("helth_s = 90") + 1
    assert health == f"{wrong}:{at}: updates.helth_s: unknown key (did you mean health_s?)"
    assert result.exit_code == 1
    assert result.stderr.decode() == f"{wrong}: 2 faults\n"


def test_check_tells_programs_in_json(wrong: Path) -> None:
    result = holdfast("check", "--json", wrong, CAMERA)
    first, second = json.loads(result.stdout)
    assert (first["ok"], second["ok"]) == (False, True)
    assert [fault["key"] for fault in first["faults"]] == ["gui.user", "updates.helth_s"]
    assert first["faults"][1]["nearest"] == "health_s"
    assert result.exit_code == 1


def on_terminal(*words: str | Path, typed: str = "") -> tuple[int, str]:
    """Run the command as a person does; give its exit code and all that was to be seen."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100", "LC_ALL": "C.UTF-8"},
    ) as program:
        os.close(theirs)
        os.write(ours, typed.encode())
        seen = b""
        with suppress(OSError):  # so Linux says that the other end was closed
            while piece := os.read(ours, 65536):
                seen += piece
        os.close(ours)
        return program.wait(timeout=60), seen.decode()


def test_check_shows_a_table_on_a_terminal(wrong: Path) -> None:
    exit_code, seen = on_terminal("check", wrong)
    assert exit_code == 1
    assert "━" in seen
    assert "did you mean health_s?" in seen


def test_init_asks_a_person_and_guesses_the_name_for_programs(tmp_path: Path) -> None:
    typed = "Größe & Co\nLampe 7\n\nlampe.example\n"
    exit_code, seen = on_terminal("init", tmp_path, typed=typed)
    assert exit_code == 0
    assert "[lampe-7]" in seen
    told = json.loads(holdfast("show", "--json", tmp_path / "product.toml").stdout)
    assert told["identity"]["vendor"] == "Größe & Co"
    assert told["identity"]["product"] == "lampe-7"
    assert told["disclosure"]["contact"] == "mailto:security@lampe.example"


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_check_of_what_cannot_be_read_is_a_usage_error(tmp_path: Path, name: str) -> None:
    result = holdfast("check", tmp_path / name)
    assert result.exit_code == 2
    assert b"cannot be read" in result.stdout
    assert b"Traceback" not in result.stderr


def test_init_asks_nothing_when_told_all_and_the_result_is_in_order(tmp_path: Path) -> None:
    told = ["--vendor", "Acme", "--name", "Super Lamp 3", "--site", "acme.example"]
    result = holdfast("init", tmp_path, *told)
    path = tmp_path / "product.toml"
    assert (result.exit_code, result.stdout.decode()) == (0, f"{path}\n")
    assert holdfast("check", cwd=tmp_path).exit_code == 0
    before = path.read_text()
    assert 'product = "super-lamp-3"' in before
    again = holdfast("init", tmp_path, *told)
    assert again.exit_code == 2
    assert b"product-profile-exists" in again.stderr
    assert path.read_text() == before


def test_init_names_the_answer_that_is_wrong(tmp_path: Path) -> None:
    result = holdfast("init", tmp_path, "--vendor", "A", "--name", "B", "--site", "a b", "--json")
    assert result.exit_code == 2
    assert b"--site: must be a host name" in result.stderr
    assert b"--product: must be 2 to 31" in result.stderr
    assert not (tmp_path / "product.toml").exists()


def test_init_without_a_terminal_does_not_ask(tmp_path: Path) -> None:
    result = holdfast("init", tmp_path)
    assert result.exit_code == 2
    assert b"--vendor is missing" in result.stderr


def test_show_sums_up_for_people_and_programs() -> None:
    shown = holdfast("show", CAMERA).stdout.decode()
    for word in ("Nordlicht Eye", "rtsps", "as holdfast-gui", "owner.mail", "2032-08-31"):
        assert word in shown
    told = json.loads(holdfast("show", "--json", CAMERA).stdout)
    assert told["updates"]["later_days"]["medium"] == 7
    assert told["support"]["until"] == "2032-08-31"


def test_show_of_a_wrong_profile_names_the_faults(wrong: Path) -> None:
    result = holdfast("show", wrong)
    assert (result.exit_code, result.stdout) == (2, b"")
    assert b"did you mean health_s?" in result.stderr


def test_schema_is_json() -> None:
    assert json.loads(holdfast("schema").stdout)["title"] == "Product profile"
