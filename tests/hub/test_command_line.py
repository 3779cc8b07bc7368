"""The maker's commands against a real hub: every command of two how-to pages, run as written."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Hub = Any  # the class in conftest.py, which cannot be imported
TREE = Path(__file__).resolve().parents[2]
PAGES = ("make-real-keys", "publish-a-release")
PASSPHRASE = "five unrelated words in here"
COMMAND_S = 60
PUBLISH = (
    "holdfast keys publish --workshop workshop --hub https://hub.example.com --token-file token"
)
SIGN_ROOT = "holdfast keys sign --workshop workshop --role root --key FILE"
ANSWERS = (
    (re.compile(r"New passphrase for a .*: $"), PASSPHRASE),
    (re.compile(r"The same again: $"), PASSPHRASE),
    (re.compile(r"Passphrase of the .*: $"), PASSPHRASE),
    (re.compile(r"Do you want to sign this\? \[y/N\]: $"), "y"),
)


def written() -> list[str]:
    """List the commands in the code blocks of the pages."""
    found = []
    for page in PAGES:
        text = (TREE / f"docs/how-to/{page}.md").read_text()
        for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            joined = block.replace("\\\n", " ")
            found += [re.sub(r" +", " ", line).strip() for line in joined.splitlines()]
    return [line for line in found if line.startswith("holdfast ")]


def at_terminal(words: list[str], folder: Path) -> tuple[int, str]:
    """Run a program at a terminal of its own, and answer what it asks as a person would."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(folder)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "COLUMNS": "200"}
        os.execvpe(words[0], words, environment)  # noqa: S606 - the command line is tested
    shown, answered = "", 0
    deadline = time.monotonic() + COMMAND_S
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.5)[0]:
                continue
            try:
                chunk = os.read(master, 4096)
            except OSError:  # its end of the terminal is closed
                break
            if not chunk:
                break
            shown += chunk.decode(errors="replace")
            for prompt, answer in ANSWERS:
                if prompt.search(shown, answered):
                    answered = len(shown)
                    os.write(master, answer.encode() + b"\n")
        else:
            os.kill(child, signal.SIGKILL)
            pytest.fail(f"{words} did not end: {shown}")
    finally:
        os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.replace("\r\n", "\n")


class Story:
    """Runs what the pages say, and remembers what was run."""

    def __init__(self, folder: Path, program: str, hub: Hub) -> None:
        self.folder = folder
        self.hub = hub
        self.url = hub.url
        self.to_run = written()
        self.program = program

    def run(self, command: str, *, code: int = 0, **places: Path | str) -> str:
        """Run a command of the pages, with real names in the place of the made-up ones."""
        assert command in self.to_run, f"no page says: {command}"
        self.to_run.remove(command)
        return self.also(command, code=code, **places)

    def also(self, command: str, *, code: int = 0, **places: Path | str) -> str:
        """Run a command that a page says in other words."""
        words = shlex.split(command)
        for number, word in enumerate(words):
            place = places.get(word.strip("-").replace("-", "_")) if number else None
            if word.startswith("--") and place is not None:
                words[number + 1] = str(place)
            if word == "https://hub.example.com":
                words[number] = self.url
        ended, shown = at_terminal([self.program, *words[1:]], self.folder)
        assert ended == code, f"{shlex.join(words)}\n{shown}"
        assert PASSPHRASE not in shown
        return shown

    def get_token(self) -> None:
        self.also(f"holdfast hub token build-server --out token -c {self.hub.config}")

    def key(self, role: str, number: int = 0, workshop: str = "workshop") -> Path:
        found = sorted((self.folder / workshop / "keys").glob(f"{role}*.key.json"))
        return found[number].relative_to(self.folder)

    def status(self, workshop: str = "workshop") -> dict[str, dict[str, Any]]:
        """Read where each role stands."""
        words = ["keys", "status", "--workshop", workshop, "--json"]
        _code, shown = at_terminal([self.program, *words], self.folder)
        return {each["role"]: each for each in json.loads(shown)}


@pytest.fixture
def story(tmp_path: Path, need: Callable[[str], str], start_hub: Callable[[], Hub]) -> Story:
    """A maker's folder with an image and all that belongs to it, and a token of a running hub."""
    hub = start_hub()
    folder = tmp_path / "maker"
    folder.mkdir()
    shutil.copyfile(TREE / "examples/home-gateway/product.toml", folder / "product.toml")
    (folder / "rootfs.squashfs").write_bytes(os.urandom(1 << 20))
    (folder / "notes.md").write_text("The page for guests no longer shows the password.\n")
    (folder / "sbom.json").write_text('{"components": []}\n')
    (folder / "audit.json").write_text('{"findings": []}\n')
    made = Story(folder, need("holdfast"), hub)
    made.get_token()
    return made


def trail(hub_folder: Path) -> Iterator[str]:
    """Read what the audit trail says was done, in order."""
    import sqlite3  # noqa: PLC0415 - the hub's own file, read beside it

    with sqlite3.connect(hub_folder / "state/hub.sqlite3") as database:
        yield from (row[0] for row in database.execute("SELECT what FROM staff_entry ORDER BY seq"))
    database.close()


def make_keys(story: Story) -> None:
    """Steps 1 to 4 of the page, and both ways of making root keys."""
    story.run("holdfast keys fetch-online --hub https://hub.example.com --out online-keys.json")
    story.run("holdfast keys init --workshop workshop --online online-keys.json")
    shown = story.status()
    assert (shown["root"]["threshold"], len(shown["root"]["signers"])) == (2, 3)
    assert (shown["targets"]["threshold"], len(shown["targets"]["signers"])) == (1, 2)
    assert shown["root"]["complete"]
    # Each root key made by the person who keeps it.
    made = [story.run("holdfast keys make --role root --out .").splitlines()]
    made += [story.also("holdfast keys make --role root --out .").splitlines() for _second in "2"]
    files = [next(line for line in lines if line.endswith(".key.json")) for lines in made]
    options = " ".join(f"--root-key {name}" for name in files)
    story.also(
        f"holdfast keys init --workshop other --online online-keys.json --root-keys 0 {options}"
    )
    assert not story.status("other")["root"]["complete"]
    asked = story.run(SIGN_ROOT, workshop="other", key=files[0])
    assert "gets a say in root" in asked
    story.also(SIGN_ROOT, workshop="other", key=files[1])
    assert story.status("other")["root"]["complete"]
    story.run(
        "holdfast keys add-product home-gateway --workshop workshop --keys 2 --threshold 1"
        " --sign-with workshop/keys/targets-0123456789ab.key.json",
        sign_with=story.key("targets"),
    )
    story.run(PUBLISH)


WAIVED = '--waive "Nothing but bytes stands in this image." --by "Ada Lovelace"'


def release(story: Story, version: str, signers: list[Path], run: Callable[..., str]) -> None:
    """The three steps of the other page."""
    run(
        "holdfast release build --profile product.toml --artifact rootfs.squashfs --version 1.1"
        " --floor 1.0 --changelog notes.md --severity high --fixes CVE-2026-12345 --hardware a"
        " --sbom sbom.json --audit audit.json --out release-1.1",
        version=version,
        out=f"release-{version}",
    )
    sign = (
        "holdfast release sign release-1.1 --workshop workshop"
        " --key workshop/keys/home-gateway-0123456789ab.key.json"
    )
    renamed = sign.replace("release-1.1", f"release-{version}")
    if version == "1.1":
        # Nothing but bytes stands in this image: the audit holds it back until somebody answers.
        assert "audit-gate" in run(sign, key=signers[0], code=1)
    shown = story.also(f"{renamed} {WAIVED}", key=signers[0])
    assert "home-gateway" in shown
    assert "1 of 1 signatures" in shown
    for signer in signers[1:]:
        assert "2 of 1 signatures" in story.also(renamed, key=signer)
    publish = (
        "holdfast release publish release-1.1 --hub https://hub.example.com --token-file token"
        " --offer"
    )
    if version == "1.1":
        shown = run(publish)
    else:
        shown = story.also(publish.replace("release-1.1", f"release-{version}"))
    assert f"published: home-gateway {version}" in shown


def rotate(story: Story) -> None:
    """The page's exchange of keys: one of a product, and one of the root."""
    old = story.key("home-gateway").name.split("-")[2][:8]
    change = "holdfast keys rotate --workshop workshop --role home-gateway --old 0123abcd"
    before = set((story.folder / "workshop/keys").iterdir())
    shown = story.run(change, old=old)
    (new,) = set((story.folder / "workshop/keys").iterdir()) - before
    for role in re.findall(r"To be signed now: (.*)", shown)[0].split(", "):
        key = story.key("targets") if role == "targets" else new
        story.also(f"holdfast keys sign --workshop workshop --role {role} --key FILE", key=key)
    story.also(PUBLISH)
    before = set((story.folder / "workshop/keys").iterdir())
    gone, *stay = (story.key("root", number) for number in range(3))
    change = "holdfast keys rotate --workshop workshop --role root --old 0123abcd"
    story.run(change, old=gone.name.split("-")[1][:8])
    assert len(set((story.folder / "workshop/keys").iterdir()) - before) == 1
    for key in stay:
        story.run(SIGN_ROOT, key=key)
    assert story.status()["root"]["complete"]
    story.run(PUBLISH)


@contextmanager
def working(story: Story) -> Iterator[None]:
    """The hub's worker, which audits what is published."""
    command = [story.program, "hub", "worker", "--config", str(story.hub.config)]
    with (story.folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(command, cwd=story.folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(60)


def test_every_command_of_the_pages_runs_as_written(
    story: Story, start_hub: Callable[[], Hub], tmp_path: Path
) -> None:
    with working(story):
        make_keys(story)
        signers = [story.key("home-gateway", number) for number in range(2)]
        release(story, "1.1", signers, story.run)
        assert story.also("holdfast keys status --workshop workshop")
        story.run("holdfast keys status --workshop workshop")
        renew = "holdfast keys sign --workshop workshop --role targets --renew --key FILE"
        story.run(renew, key=story.key("targets", 1))
        rotate(story)
        (first, second) = (each["keyid"][:12] for each in story.status()["home-gateway"]["signers"])
        able = [story.key(f"home-gateway-{keyid}") for keyid in (first, second)]
        release(story, "1.2", able[:1], story.also)
        done = list(trail(tmp_path))
        assert done.count("release.published") == 2
        assert done.count("repository.trusted") == 1
        assert done.count("repository.changed") >= 2
    story.hub.stop()
    (tmp_path / "state").rename(tmp_path / "stolen")
    story.hub = start_hub()
    with working(story):
        replace_hub(story)
    assert list(trail(tmp_path)).count("release.published") == 1
    assert not story.to_run, f"nobody ran: {story.to_run}"


def replace_hub(story: Story) -> None:
    """The hub was stolen: a new one gets new keys, and the maker's people let them in."""
    story.get_token()
    story.also("holdfast keys fetch-online --hub https://hub.example.com --out online-keys.json")
    refused = story.also(PUBLISH, code=1)
    assert "rotate --online" in refused
    story.run("holdfast keys rotate --workshop workshop --online online-keys.json")
    signers = [each["keyid"][:12] for each in story.status()["root"]["signers"]]
    keys = [story.key(f"root-{keyid}") for keyid in signers[:2]]
    for key in keys:
        story.run(SIGN_ROOT, key=key)
    story.run(PUBLISH)
    story.also(
        "holdfast release publish release-1.2 --hub https://hub.example.com --token-file token"
    )
