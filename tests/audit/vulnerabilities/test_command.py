"""`holdfast audit db` without a network."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.errors import (
    DatabaseError,
    DataError,
    SealError,
    UnsignedError,
)
from holdfast.cli.audit.database import app
from holdfast.core.config import ConfigError
from holdfast.core.errors import UsageError
from holdfast.updates import keys
from holdfast.updates.keys import Cost
from tests.audit.vulnerabilities import records as make

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_one(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write_one


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_import_and_status(write: Write, tmp_path: Path) -> None:
    kev = write("kev.json", make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    epss = write("epss.csv", b"CVE-2024-1000;0.5;0.9\n")
    result = run("import", kev, epss)
    assert result.exit_code == 0
    assert "kev: 1 records" in result.stderr
    assert (tmp_path / "share" / "holdfast" / "vulnerabilities.sqlite").exists()
    shown = run("status")
    assert shown.exit_code == 1  # no records of vulnerabilities at all
    assert "there are no records of vulnerabilities" in shown.stderr
    assert "2026-11-20" in shown.stdout
    told = json.loads(run("status", "--json").stdout)
    assert told["fresh"] is False
    assert [one["source"] for one in told["sources"]] == ["kev", "epss"]


def test_nothing_is_taken_in_by_halves(write: Write) -> None:
    kev = write("kev.json", make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    broken = write("broken.json", b'{"vulnerabilities": [')
    result = run("import", kev, broken)
    assert isinstance(result.exception, DataError)
    assert "broken.json" in str(result.exception)
    assert isinstance(run("status").exception, DatabaseError)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = run("import", tmp_path / "none.json")
    assert isinstance(result.exception, UsageError)
    assert "none.json" in str(result.exception)


def test_a_changed_database_is_told(write: Write, tmp_path: Path) -> None:
    base = tmp_path / "base.sqlite"
    run("import", write("kev.json", make.kev(("CVE-2024-1000", "A", "B", "x"))), "--db", base)
    content = bytearray(base.read_bytes())
    content[5000] ^= 1
    base.write_bytes(bytes(content))
    assert isinstance(run("status", "--db", base).exception, SealError)


@pytest.fixture
def signing(tmp_path: Path) -> tuple[Path, Path]:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery staple\n")
    secret.chmod(0o600)
    made = keys.make(
        tmp_path / "keys",
        role="vulnerability-data",
        passphrase="correct horse battery staple",
        cost=Cost(iterations=1, memory_kib=64, lanes=1),
    )
    return made.path, secret


def test_export_and_import_elsewhere(
    write: Write, tmp_path: Path, signing: tuple[Path, Path]
) -> None:
    key, secret = signing
    kev = write("kev.json", make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    base, out, other = tmp_path / "a.sqlite", tmp_path / "out", tmp_path / "b.sqlite"
    run("import", kev, "--db", base)
    told = run("export", out, "--key", key, "--db", base, "--passphrase-file", secret, "--json")
    assert told.exit_code == 0, told.output
    public = json.loads(told.stdout)["key"]
    assert isinstance(run("import", out, "--db", other).exception, UnsignedError)
    assert not other.exists()
    for given in (key, public):
        assert run("import", out, "--db", other, "--key", given).exit_code == 0
    with Database(other) as database:
        assert [one.source for one in database.ages()] == ["kev"]
    assert isinstance(run("import", out, kev, "--key", key).exception, UsageError)


def test_a_pinned_key_keeps_everything_else_out(
    write: Write, tmp_path: Path, signing: tuple[Path, Path]
) -> None:
    key, secret = signing
    public = keys.read_public(key).public
    folder = tmp_path / "config" / "holdfast"
    folder.mkdir(parents=True)
    kev = write("kev.json", make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    base = tmp_path / "a.sqlite"
    run("import", kev, "--db", base)
    run("export", tmp_path / "out", "--key", key, "--db", base, "--passphrase-file", secret)
    (folder / "vulnerabilities.toml").write_text(f'[signed]\nkey = "{public}"\n')
    refused = run("import", kev, "--db", base)
    assert isinstance(refused.exception, UnsignedError)
    assert run("import", tmp_path / "out", "--db", tmp_path / "b.sqlite").exit_code == 0
    assert isinstance(run("update", "--db", base).exception, UsageError)  # no address


def test_wrong_settings_are_named(write: Write) -> None:
    config = write("settings.toml", b'[[source]]\nname = "nvdd"\naddress = "ftp://x"\n')
    result = run("update", "--config", config)
    assert isinstance(result.exception, ConfigError)
    words = str(result.exception)
    assert "nvdd" in words
    assert "address" in words
