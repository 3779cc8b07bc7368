"""`holdfast hub accounts`, run as it is typed: the same rules as on the pages."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def test_accounts_are_kept_by_the_same_rules(tmp_path: Path, need: Callable[[str], str]) -> None:
    program = need("holdfast")
    config = tmp_path / "hub.toml"
    config.write_text('state = "state"\n')

    def hub(*words: str, typed: str | bytes = "") -> tuple[int, str, str]:
        command = [program, "hub", "accounts", *words, "-c", str(config)]
        sent = typed.encode() if isinstance(typed, str) else typed
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            out, told = process.communicate(sent, timeout=60)
        return process.returncode, out.decode(), told.decode()

    good = "seven plain words nobody would guess\n"
    code, _out, told = hub("add", "ada", typed="password1\n")
    assert code == 1
    assert "too short" in told
    assert "Or take one of `holdfast accounts suggest`." in told  # none was shown to the pipe
    assert "password1" not in told
    assert hub("add", "ada", "--email", "nowhere", typed=good)[0] != 0
    assert hub("add", "ada", "--email", "ada@example.org", typed=good)[0] == 0
    assert hub("add", "ada", typed=good)[0] == 2
    assert hub("add", "Ada Lovelace", typed=good)[0] == 2
    assert hub("password", "ada", typed="adaadaadaadaada\n")[0] == 1
    assert hub("password", "ada", typed="another " + good)[0] == 0
    assert hub("password", "eve", typed=good)[0] == 2
    assert hub("password", "ada", typed=b"\xff\xfe" * 20)[0] == 2
    assert hub("switch-off", "ada", "--why", "x")[0] == 2  # nobody else could log in
    shown = json.loads(hub("list", "--json")[1])
    assert [(one["name"], one["active"]) for one in shown] == [("ada", True)]
    old = tmp_path / "old"
    old.write_text("ada:x\nbad line\n")
    assert hub("import", str(old), "--kind", "htpasswd")[0] == 1
    assert hub("import", str(tmp_path / "none"))[0] == 2
    assert hub("import", str(old), "--kind", "excel")[0] == 2
    keys = tmp_path / "state/account-keys"
    assert keys.stat().st_mode & 0o777 == 0o600
    keys.write_text("{")
    code, _out, told = hub("add", "bob", typed=good)
    assert code == 3
    assert "Traceback" not in told
