"""`holdfast release build` and `sign`: what fails its audit is signed by nobody by mistake."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner, Result

from holdfast.audit import child
from holdfast.audit.errors import AuditError
from holdfast.audit.gate import GateError, objections
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Verdict
from holdfast.cli import gate
from holdfast.cli import release as commands
from holdfast.core.clock import now
from holdfast.updates import bundle
from holdfast.updates.errors import ReleaseError, TamperedError
from holdfast.updates.keys import KeyFile
from holdfast.updates.online import OnlineKeys
from holdfast.updates.repository import Repository
from holdfast.updates.waiver import Waiver
from holdfast.updates.workshop import Workshop
from tests.audit.shipped import PRODUCT, founded, shipped

pytestmark = [pytest.mark.slow, pytest.mark.servers]

WHY = "The console is inside the sealed case, and 1.3 removes it."


class Made(NamedTuple):
    """A maker of one product who needs two signatures."""

    folder: Path
    signers: list[KeyFile]
    online: OnlineKeys


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("maker")
    for name, steps in (
        ("good", ()),
        ("bad", ("Telnet",)),
        ("worse", ("Telnet", "setuid program")),
    ):
        (folder / name).mkdir()
        shipped(folder / name, *steps)
    (folder / "notes.md").write_text("Pages load faster.\n")
    online = OnlineKeys.make(folder / "online")
    return Made(folder, founded(folder, online.public_bytes()), online)


@pytest.fixture
def maker(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    shutil.copytree(made.folder, tmp_path / "maker")
    monkeypatch.chdir(tmp_path / "maker")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return made._replace(folder=tmp_path / "maker")


def run(*words: object) -> Result:
    """Run a command; what it refuses is raised."""
    done = CliRunner().invoke(commands.app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def build(image: str, out: str = "out", version: str = "1.2", **more: object) -> Path:
    words = [word for name, value in more.items() for word in (f"--{name}", value)]
    run(
        "build", "--profile", f"{image}/product.toml", "--artifact", f"{image}/rootfs.tar",
        "--version", version, "--changelog", "notes.md", "--severity", "low", "--out", out, *words,
    )  # fmt: skip
    return Path(out)


def sign(maker: Made, signer: int, *words: object, folder: str = "out") -> Result:
    return run(
        "sign", folder, "--key", maker.signers[signer].path, "--passphrase-file", "passphrase",
        *words,
    )  # fmt: skip


def signed_by(folder: Path) -> int:
    lists = [each for name, each in bundle.metadata(folder).items() if PRODUCT in name]
    return len(json.loads(lists[0])["signatures"]) if lists else 0


def published(maker: Made, folder: Path) -> Repository:
    """Let a hub take the release."""
    hub = Repository(maker.folder / "hub")
    hub.initialise(Workshop(maker.folder / "workshop").files(), online=maker.online, now=now())
    hub.publish(folder, online=maker.online, now=now())
    return hub


def test_what_passes_is_signed_by_both(maker: Made) -> None:
    folder = build("good")
    beside = folder / "targets" / PRODUCT / "1.2"
    report = document.read(beside / "audit.json")
    assert Verdict.FAIL not in {one.verdict for one in report.checks}
    assert json.loads((beside / "sbom.json").read_bytes())["bomFormat"] == "CycloneDX"
    assert "nothing speaks against it" in sign(maker, 0).stderr
    sign(maker, 1)
    assert signed_by(folder) == 2
    hub = published(maker, folder)
    names = {each.name.partition(".")[2] for each in hub.targets.glob("*/*/*")}
    assert names == {"rootfs.tar", "product.toml", "audit.json", "sbom.json"}
    assert hub.waiver_of(PRODUCT, "1.2") is None


def test_what_starts_telnet_is_refused_with_the_rule(maker: Made) -> None:
    folder = build("bad")
    with pytest.raises(GateError, match="telnet-off") as refused:
        sign(maker, 0)
    assert refused.value.exit_code == 1
    assert "--waive" in refused.value.hint
    assert signed_by(folder) == 0
    assert not (folder / "metadata").exists()
    assert not list(folder.rglob("waiver.json"))
    assert not list((maker.folder / "workshop").glob(f"*/*{PRODUCT}.json"))


@pytest.mark.parametrize("words", [("--waive", WHY), ("--by", "Ada Lovelace")])
def test_a_waiver_needs_a_name_and_a_reason(maker: Made, words: tuple[str, str]) -> None:
    build("bad")
    with pytest.raises(Exception, match="belong together") as refused:
        sign(maker, 0, *words)
    assert getattr(refused.value, "exit_code", None) == 2
    with pytest.raises(ReleaseError, match="reason"):
        sign(maker, 0, "--waive", "meh", "--by", "Ada Lovelace")
    assert signed_by(Path("out")) == 0


def test_a_named_person_waives_and_the_other_signer_sees_it(maker: Made) -> None:
    folder = build("bad")
    sign(maker, 0, "--waive", WHY, "--by", "Ada Lovelace")
    second = sign(maker, 1)
    assert "telnet-off" in second.stderr
    assert f"by Ada Lovelace: {WHY}" in second.stderr
    hub = published(maker, folder)
    waiver = hub.waiver_of(PRODUCT, "1.2")
    assert waiver is not None
    assert (waiver.who, waiver.why) == ("Ada Lovelace", WHY)
    assert any(line.startswith("telnet-off: ") for line in waiver.objections)
    assert hub.waiver_of(PRODUCT, "1.1") is None
    assert hub.waiver_of("camera", "1.2") is None


def test_a_waiver_comes_before_the_first_signature(maker: Made) -> None:
    folder = build("good")
    sign(maker, 0)
    waiver = Waiver(who="Mallory", why="Because I want it so.", made=now(), objections=())
    with pytest.raises(ReleaseError, match="has signed this release already"):
        bundle.waive(folder, waiver)


def test_nobody_signs_a_waiver_that_lies_in_the_folder(maker: Made) -> None:
    """Whoever can write to the folder could otherwise waive in anybody's name."""
    for image in ("bad", "good"):
        folder = build(image, f"{image}-out")
        planted = Waiver(who="Ada Lovelace", why=WHY, made=now(), objections=("telnet-off: x",))
        bundle.waive(folder, planted)
        with pytest.raises(ReleaseError, match="nobody has signed"):
            sign(maker, 0, folder=f"{image}-out")
        (folder / "metadata").mkdir()
        with pytest.raises(ReleaseError, match="nobody has signed"):
            sign(maker, 0, folder=f"{image}-out")
        assert signed_by(folder) == 0
    sign(maker, 0, "--waive", "It is I who waives this.", "--by", "Grace Hopper", folder="bad-out")
    held = bundle.contents(Path("bad-out"))
    waiver = bundle.waiver_of(Path("bad-out"), held)
    assert waiver is not None
    assert waiver.who == "Grace Hopper"
    assert bundle.is_signed(Path("bad-out"), held, Workshop(Path("workshop")))


def test_a_waiver_covers_what_its_author_knew(maker: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    build("worse")
    with monkeypatch.context() as before:
        before.setattr(gate, "objections", lambda report: objections(report)[:1])
        sign(maker, 0, "--waive", WHY, "--by", "Ada Lovelace")
    with pytest.raises(GateError, match="the audit says no") as refused:
        sign(maker, 1)
    assert "more than was waived" in refused.value.hint
    assert signed_by(Path("out")) == 1


def test_a_changed_image_is_refused_before_it_is_opened(
    maker: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build("good")
    image = folder / "targets" / PRODUCT / "1.2" / "rootfs.tar"
    image.write_bytes(image.read_bytes() + b"\0" * 512)
    monkeypatch.setattr("holdfast.audit.child.judge", _never)
    with pytest.raises(TamperedError):
        sign(maker, 0)


def _never(*_: object, **__: object) -> None:
    pytest.fail("a changed image was audited")


def test_what_is_put_in_its_place_during_the_audit_is_not_signed(
    maker: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build("good")
    build("bad", "other")
    real = child.judge

    def judge(*words: Any, **named: Any) -> Report:  # noqa: ANN401 - handed on as they are
        report = real(*words, **named)
        shutil.rmtree(folder)
        shutil.copytree("other", folder)
        return report

    monkeypatch.setattr("holdfast.audit.child.judge", judge)
    with pytest.raises(TamperedError):
        sign(maker, 0)
    assert signed_by(folder) == 0


def test_a_profile_that_is_not_signed_waives_nothing(maker: Made) -> None:
    folder = build("bad")
    says = json.loads((folder / "release.json").read_bytes())
    says["beside"] = [each for each in says["beside"] if "product.toml" not in each[0]]
    (folder / "release.json").write_text(json.dumps(says))
    with pytest.raises(ReleaseError, match="profile"):
        sign(maker, 0)


def test_damaged_vulnerability_data_is_told(maker: Made) -> None:
    build("good")
    Path("data.sqlite3").write_bytes(b"SQLite format 3\0" + b"nonsense" * 1000)
    with pytest.raises(AuditError) as refused:
        sign(maker, 0, "--db", "data.sqlite3")
    assert "vulnerabilit" in str(refused.value)
    assert signed_by(Path("out")) == 0
    with pytest.raises(Exception, match="is no file"):
        sign(maker, 0, "--db", "absent.sqlite3")


def test_names_in_a_waiver_do_nothing_to_a_terminal() -> None:
    for who, why in (("A\x1b[2J", WHY), ("Ada", "text \x1b[31m red and more"), ("Ada", "x" * 501)):
        with pytest.raises(ReleaseError):
            Waiver(who=who, why=why, made=datetime(2026, 1, 1, tzinfo=UTC), objections=())


TOO_MANY = json.dumps({
    "format": 1, "objections": ["x"] * 500, "made": "2026-01-01T00:00:00Z", "who": "Ada",
    "why": "For no good reason.",
})  # fmt: skip


@pytest.mark.parametrize("content", [
    "", "[]", "{}", '{"format": 2}', "[" * 100_000, TOO_MANY,
    '{"format": 1, "objections": 7, "made": "x", "who": "a", "why": "b"}',
])  # fmt: skip
def test_nonsense_is_no_waiver(content: str) -> None:
    with pytest.raises(ReleaseError):
        Waiver.decode(content.encode())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    objections = tuple(f"rule-{number}: {'words ' * 45}"[:300] for number in range(200))
    made = datetime(2026, 1, 1, tzinfo=UTC)
    waiver = Waiver(who="Ada", why=WHY, made=made, objections=objections)
    (tmp_path / "waiver.json").write_bytes(waiver.encode())
    assert Waiver.read(tmp_path / "waiver.json") == waiver
    assert waiver.uncovered(["rule-7: other words", "rule-x: words"]) == ("rule-x: words",)
