"""`holdfast keys` and `holdfast release`, as a person and as a script use them."""

import json
import os
import pty
import re
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from holdfast import product
from holdfast.cli import keys as cli_keys
from holdfast.cli import release as cli_release
from holdfast.cli.hub_api import Hub
from holdfast.core import clock
from holdfast.core.errors import HoldfastError, UsageError
from holdfast.product import Starter
from holdfast.updates import keys
from holdfast.updates.errors import (
    BelowThresholdError,
    KeyFileError,
    PassphraseError,
    ReleaseError,
    RollbackError,
    TamperedError,
    VersionError,
    WorkshopError,
)
from holdfast.updates.online import OnlineKeys
from holdfast.updates.repository import Repository

Run = Callable[..., Any]
PASSPHRASE = "five unrelated words in here"
# What is signed here is no image; the gate has tests of its own.
WAIVED = ["--waive", "Nothing but words stands in this image.", "--by", "Ada Lovelace"]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "STANDARD_COST", keys.Cost(iterations=1, memory_kib=8, lanes=1))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command in a folder of its own; its refusals are raised."""
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    secret.chmod(0o600)

    def go(*words: object, asked: bool = True) -> Any:  # noqa: ANN401 - what JSON says
        group, *rest = (str(word) for word in words)
        app: typer.Typer = {"keys": cli_keys.app, "release": cli_release.app}[group]
        takes_secret = rest[0] in {"init", "make", "add-product", "sign", "rotate"}
        extra = ["--passphrase-file", str(secret)] if asked and takes_secret else []
        extra += WAIVED if [group, rest[0]] == ["release", "sign"] else []
        done = CliRunner().invoke(app, [*rest, *extra])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code == 2:
            raise UsageError(done.output)
        return json.loads(done.stdout) if "--json" in rest else done

    return go


@pytest.fixture
def started(run: Run, tmp_path: Path) -> Run:
    """A workshop with one product, a profile, an image and a changelog."""
    online = OnlineKeys.make(tmp_path / "online")
    (tmp_path / "online.json").write_bytes(online.public_bytes())
    run("keys", "init", "--online", "online.json")
    targets = next((tmp_path / "workshop/keys").glob("targets-*"))
    run("keys", "add-product", "camera", "--sign-with", targets)
    product.write_new(
        tmp_path / "product.toml",
        Starter(
            vendor="Example", product="camera", name="Camera", model="C1", hardware=["a", "b"],
            markets=["EU"], site="example.com", since=clock.now().date(),
        ),
    )  # fmt: skip
    (tmp_path / "rootfs.img").write_bytes(b"image" * 100_000)
    (tmp_path / "notes.md").write_text("Closes a hole in the web page.\n")
    return run


def build(run: Run, version: str = "1.0", out: str = "out", **changes: str) -> Any:  # noqa: ANN401
    options = {
        "profile": "product.toml", "artifact": "rootfs.img", "changelog": "notes.md",
        "severity": "high", "hardware": "a", **changes,
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return run("release", "build", "--version", version, "--out", out, "--json", *words)


def key_of(folder: Path, role: str, number: int = 0) -> Path:
    return sorted((folder / "workshop/keys").glob(f"{role}-*"))[number]


def test_a_workshop_is_begun_and_shown(started: Run) -> None:
    shown = {each["role"]: each for each in started("keys", "status", "--json")}
    assert (shown["root"]["threshold"], len(shown["root"]["signers"])) == (2, 3)
    assert (shown["targets"]["threshold"], len(shown["targets"]["signers"])) == (1, 2)
    assert shown["root"]["complete"]
    assert shown["targets"]["complete"]
    assert shown["camera"]["version"] == 0
    plain = started("keys", "status")
    assert plain.exit_code == 1
    assert "Build and sign the first release" in plain.output
    with pytest.raises(WorkshopError, match="already"):
        started("keys", "init", "--online", "online.json")


def test_thresholds_that_cannot_be_met_are_refused_before_keys_are_made(
    run: Run, tmp_path: Path
) -> None:
    online = OnlineKeys.make(tmp_path / "online")
    (tmp_path / "online.json").write_bytes(online.public_bytes())
    with pytest.raises(UsageError, match="4 of 3 root keys"):
        run("keys", "init", "--online", "online.json", "--root-threshold", 4)
    with pytest.raises(KeyFileError, match="cannot be read"):
        run("keys", "init", "--online", "absent.json")
    assert not (tmp_path / "workshop").exists()


def test_keys_made_by_other_people(run: Run, tmp_path: Path) -> None:
    online = OnlineKeys.make(tmp_path / "online")
    (tmp_path / "online.json").write_bytes(online.public_bytes())
    made = [
        run("keys", "make", "--role", "root", "--out", f"person{number}", "--json")["path"]
        for number in range(2)
    ]
    run("keys", "init", "--online", "online.json", "--root-keys", 1,
        "--root-key", made[0], "--root-key", made[1])  # fmt: skip
    assert "1 more signature" in run("keys", "status").output
    run("keys", "sign", "--role", "root", "--key", made[1])
    shown = {each["role"]: each for each in run("keys", "status", "--json")}
    assert shown["root"]["complete"]


def test_short_passphrases_and_open_files_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("short")
    with pytest.raises(UsageError, match="fewer than 12"):
        run("keys", "make", "--role", "root")
    (tmp_path / "passphrase").chmod(0o644)
    with pytest.raises(KeyFileError, match="Others on this computer"):
        run("keys", "make", "--role", "root")
    assert not list(tmp_path.glob("*.key.json"))


@pytest.mark.slow
def test_a_release_is_built_signed_and_looked_at(started: Run, tmp_path: Path) -> None:
    made = build(started, fixes="CVE-2026-1111,CVE-2026-2222", floor="1.0")
    assert made["fixes"] == ["CVE-2026-1111", "CVE-2026-2222"]
    assert made["hardware"] == ["a"]
    key = key_of(tmp_path, "camera")
    answer = started("release", "sign", "out", "--key", key, "--json")
    assert answer["complete"]
    assert sorted(path.name for path in (tmp_path / "out/metadata").iterdir()) == [
        "1.camera.json",
        "1.root.json",
        "2.targets.json",
    ]
    assert started("release", "show", "out", "--json")["version"] == "1.0"
    assert "camera" in started("release", "show", "out").stdout
    assert started("keys", "status").exit_code == 0


@pytest.mark.parametrize(
    ("changes", "kind", "word"),
    [
        ({"artifact": "absent.img"}, ReleaseError, "cannot be read"),
        ({"artifact": "empty.img"}, ReleaseError, "is empty"),
        ({"changelog": "empty.img"}, ReleaseError, "changelog empty.img is empty"),
        ({"changelog": "absent"}, ReleaseError, "cannot be read"),
        ({"profile": "empty.img"}, HoldfastError, "identity"),
        ({"profile": "absent.toml"}, HoldfastError, "absent"),
        ({"fixes": "CVE-2026"}, UsageError, "CVE"),
        ({"hardware": "z"}, ReleaseError, "knows no hardware revision z"),
        ({"floor": "1.1"}, ReleaseError, "floor"),
        ({"floor": "x"}, VersionError, "not a version"),
        ({"severity": "dreadful"}, UsageError, "dreadful"),
        ({"sbom": "absent"}, ReleaseError, "cannot be read"),
    ],
)
def test_a_bad_release_is_not_built(
    started: Run, tmp_path: Path, changes: dict[str, str], kind: type[Exception], word: str
) -> None:
    (tmp_path / "empty.img").touch()
    with pytest.raises(kind, match=word):
        build(started, **changes)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_signing_is_refused_with_the_reason(started: Run, tmp_path: Path) -> None:
    build(started, "1.1")
    key = key_of(tmp_path, "camera")
    with pytest.raises(WorkshopError, match="made for targets"):
        started("release", "sign", "out", "--key", key_of(tmp_path, "targets"))
    with pytest.raises(KeyFileError, match="cannot be read"):
        started("release", "sign", "out", "--key", "absent.key.json")
    with pytest.raises(KeyFileError, match="not a key file"):
        started("release", "sign", "out", "--key", "product.toml")
    (tmp_path / "passphrase").write_text("another passphrase")
    with pytest.raises(PassphraseError):
        started("release", "sign", "out", "--key", key)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    with pytest.raises(UsageError, match="no terminal"):
        started("release", "sign", "out", "--key", key, asked=False)
    started("release", "sign", "out", "--key", key)
    build(started, "1.0", out="older")
    with pytest.raises(RollbackError):
        started("release", "sign", "older", "--key", key)


def test_keys_are_exchanged(started: Run, tmp_path: Path) -> None:
    old = json.loads(key_of(tmp_path, "root").read_text())["keyid"]
    with pytest.raises(KeyFileError, match="begins with"):
        started("keys", "rotate", "--role", "root", "--old", "ffffffff")
    with pytest.raises(UsageError, match="either"):
        started("keys", "rotate", "--role", "root")
    done = started("keys", "rotate", "--role", "root", "--old", old[:8])
    assert "To be signed now: root" in done.output
    for number in range(4):
        done = started("keys", "sign", "--role", "root", "--key", key_of(tmp_path, "root", number))
    assert "loses its say in root" in done.output
    shown = {each["role"]: each for each in started("keys", "status", "--json")}
    assert shown["root"]["complete"]
    assert shown["root"]["version"] == 2


def test_signing_without_a_person_must_be_meant(started: Run, tmp_path: Path) -> None:
    started("keys", "sign", "--role", "targets", "--key", key_of(tmp_path, "targets", 1))
    with pytest.raises(UsageError, match="no terminal"):
        started("keys", "sign", "--role", "targets", "--key", key_of(tmp_path, "targets"),
                asked=False)  # fmt: skip


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("hub.example.com", "not the address"),
        ("ftp://hub", "not the address"),
        ("https://", "not the address"),
        ("https://hub:99999", "not the address"),
        ("https://me:secret@hub", "neither a name"),
        ("http://hub.example.com", "unprotected"),
        ("http://127.0.0.1.example.com", "unprotected"),
    ],
)
def test_bad_addresses_are_refused(url: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Hub(url, token="x")


@pytest.mark.slow
def test_a_release_that_is_not_ready_is_not_even_sent(started: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "token").chmod(0o600)
    there = ("--hub", "http://127.0.0.1:9", "--token-file", "token")
    build(started)
    with pytest.raises(ReleaseError, match="has not been signed"):
        started("release", "publish", "out", *there)
    started("release", "sign", "out", "--key", key_of(tmp_path, "camera"))
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(KeyFileError, match="token file"):
        started("release", "publish", "out", *there)


@pytest.mark.slow
def test_a_release_below_its_threshold_is_not_even_sent(started: Run, tmp_path: Path) -> None:
    targets = key_of(tmp_path, "targets")
    started("keys", "add-product", "lamp", "--threshold", 2, "--sign-with", targets)
    profile = (tmp_path / "product.toml").read_text().replace('"camera"', '"lamp"')
    (tmp_path / "product.toml").write_text(profile)
    build(started)
    answer = started("release", "sign", "out", "--key", key_of(tmp_path, "lamp"), "--json")
    assert not answer["complete"]
    (tmp_path / "token").write_text("t")
    (tmp_path / "token").chmod(0o600)
    with pytest.raises(BelowThresholdError, match="1 of the 2"):
        started("release", "publish", "out", "--hub", "http://127.0.0.1:9",
                "--token-file", "token")  # fmt: skip


def test_a_file_changed_after_signing_is_found(started: Run, tmp_path: Path) -> None:
    build(started)
    (tmp_path / "out/targets/camera/1.0/rootfs.img").write_bytes(b"evil")
    with pytest.raises(TamperedError, match="was changed since"):
        started("release", "sign", "out", "--key", key_of(tmp_path, "camera"))
    with pytest.raises(TamperedError):
        started("release", "show", "out")


@pytest.mark.slow
def test_the_signed_folder_is_what_a_repository_takes(started: Run, tmp_path: Path) -> None:
    online = OnlineKeys.load(tmp_path / "online")
    build(started)
    started("release", "sign", "out", "--key", key_of(tmp_path, "camera"))
    lists = {path.name: path.read_bytes() for path in (tmp_path / "out/metadata").iterdir()}
    place = Repository(tmp_path / "repository")
    place.initialise(
        {name: content for name, content in lists.items() if "camera" not in name},
        online=online,
        now=clock.now(),
    )
    release = place.publish(tmp_path / "out", online=online, now=clock.now())
    assert str(release.version) == "1.0"


# -- a person at a terminal

PROGRAM = """
import sys
from holdfast.updates import keys
keys.STANDARD_COST = keys.Cost(iterations=1, memory_kib=8, lanes=1)
from holdfast.cli import main
sys.argv = ["holdfast", *sys.argv[1:]]
main()
"""


def at_terminal(folder: Path, words: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the program at a terminal of its own, and type when it asks."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, *words])  # noqa: S606
    shown = ""
    waiting = list(answers)
    seen = 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            chunk = os.read(master, 4096)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk.decode(errors="replace")
        if waiting and re.search(waiting[0][0], shown[seen:]):
            seen = len(shown)
            os.write(master, waiting.pop(0)[1].encode() + b"\n")
    os.close(master)
    _, status = os.waitpid(child, 0)
    assert not waiting, f"it never asked for {waiting[0][0]}: {shown}"
    return os.waitstatus_to_exitcode(status), shown


def test_a_passphrase_is_typed_unseen(tmp_path: Path) -> None:
    code, shown = at_terminal(
        tmp_path,
        ["keys", "make", "--role", "root", "--out", "keys"],
        [
            ("New passphrase", "short"),
            ("New passphrase", PASSPHRASE),
            ("The same again", "something else"),
            ("New passphrase", PASSPHRASE),
            ("The same again", PASSPHRASE),
        ],
    )
    assert code == 0, shown
    assert PASSPHRASE not in shown
    assert "fewer than 12" in shown
    assert "differ" in shown
    (made,) = (tmp_path / "keys").iterdir()
    assert keys.load(made, PASSPHRASE, role="root")


@pytest.mark.slow
def test_a_wrong_passphrase_may_be_typed_again(started: Run, tmp_path: Path) -> None:
    build(started)
    words = ["release", "sign", "out", "--key", str(key_of(tmp_path, "camera")), *WAIVED]
    wrong = ("Passphrase of the camera key", "not this one")
    code, shown = at_terminal(tmp_path, words, [wrong, wrong, wrong])
    assert code == 2
    assert "update-passphrase" in shown
    code, shown = at_terminal(tmp_path, words, [wrong, (wrong[0], PASSPHRASE)])
    assert code == 0, shown
    assert PASSPHRASE not in shown


def test_a_person_sees_what_is_signed_and_may_say_no(started: Run, tmp_path: Path) -> None:
    words = ["keys", "sign", "--role", "targets", "--renew", "--key"]
    words.append(str(key_of(tmp_path, "targets")))
    typed = ("Passphrase of the targets key", PASSPHRASE)
    code, shown = at_terminal(tmp_path, words, [typed, ("want to sign", "n")])
    assert code != 0
    shown_after = {each["role"]: each for each in started("keys", "status", "--json")}
    assert not shown_after["targets"]["complete"]
    code, shown = at_terminal(tmp_path, words[:4] + words[5:], [typed, ("want to sign", "y")])
    assert code == 0, shown
