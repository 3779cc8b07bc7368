"""The tutorial, followed to the letter: every command of it, and what it says one sees."""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from holdfast.cli.demo.visitor import VisitError, Visitor
from holdfast.core.process import run

pytestmark = [pytest.mark.servers, pytest.mark.slow]

TUTORIAL = "docs/tutorials/first-release.md"
# What stands behind ```sh says how a block is meant; a plain one has to succeed.
BLOCK = re.compile(r"^```sh ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Which of the ports that the tutorial names tells that a program is up.
PORTS = {"hub serve": "8100", "gateway serve": "8101", "device run": "8102"}
PATIENCE_S = 60.0


def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def with_free_ports(text: str) -> str:
    with ExitStack() as held:
        for written in PORTS.values():
            free = held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            text = text.replace(f":{written}", f":{free}")
    return text


class Reader:
    """Somebody with several terminals and a browser, in the folder that the tutorial makes."""

    def __init__(self, folder: Path, root: Path, tutorial: str) -> None:
        self.seen = ""
        self.blocks = BLOCK.findall(tutorial)
        self._folder = folder
        self._ports = dict(
            zip(PORTS, map(int, re.findall(r'"127.0.0.1:(\d+)"', tutorial)), strict=False)
        )
        found = re.search(r"--gui-listen (127.0.0.1:(\d+))", tutorial)
        assert found is not None
        self._listens = found[1]
        self.owner = Visitor("")  # until the device has shown its certificate
        self._ports["device run"] = int(found[2])
        self._environment = {**os.environ, "PATH": f"{root}/.venv/bin:{os.environ['PATH']}"}

    def types(self, commands: str) -> int:
        done = run(
            ["sh", "-e", "-c", commands],
            timeout_s=PATIENCE_S,
            check=False,
            cwd=self._folder,
            env=self._environment,
        )
        self.seen = (done.stdout + done.stderr).decode()
        return done.exit_code

    @contextmanager
    def leaves_running(self, command: str) -> Iterator[None]:
        words = command.split()
        with (self._folder / f"{words[1]}-{words[2]}.log").open("wb") as log:
            process = Popen(words, cwd=self._folder, env=self._environment, stdout=log, stderr=log)
            try:
                for name, port in self._ports.items():
                    if name in command:
                        eventually(lambda port=port: listens(port), command)  # type: ignore[misc] # mypy infers no lambda with a default
                yield
            finally:
                process.terminate()
                process.wait(PATIENCE_S)

    def claims(self, code: str, sha256: str) -> None:
        self.owner = Visitor(f"https://{self._listens}", sha256=sha256)
        password = "five unrelated words here"
        page = self.owner.get("/")
        page = self.owner.submit(page, code=code, name="ada", password=password)
        assert "Log out" in page.text

    def installs(self) -> None:
        button = "Install now"
        # In the small hours it installs by itself, as the page says.
        eventually(lambda: button in self.page() or self.is_done(), "the offer")
        page = self.owner.get("/")
        if button in page.text:
            self.owner.submit(page, press=button)
        eventually(self.is_done, "the new version")

    def is_done(self) -> bool:
        page = self.page()
        return "Everything is up to date" in page and "Version 1.1" in page

    def page(self) -> str:
        try:
            return self.owner.get("/").text
        except VisitError:
            return ""  # it restarts


@pytest.fixture
def reader(
    tmp_path: Path, root: Path, documents: dict[str, str], need: Callable[[str], str]
) -> Reader:
    for program in ("apt-get", "dpkg-deb", "mksquashfs", "unsquashfs"):
        need(program)
    return Reader(tmp_path, root, with_free_ports(documents[TUTORIAL]))


def test_who_follows_it_ends_with_a_device_that_runs_the_second_release(reader: Reader) -> None:
    code = sha256 = ""
    with ExitStack() as terminals:
        for kind, commands in reader.blocks:
            match kind:
                case "install" | "setting":
                    continue
                case "running":
                    terminals.enter_context(reader.leaves_running(commands))
                    if "device run" in commands:
                        reader.claims(code, sha256)
                    continue
                case "refused":
                    assert reader.types(commands) == 1, reader.seen
                    assert "[update-tampered]" in reader.seen or "[audit-gate]" in reader.seen
                    continue
                case "finally":
                    reader.installs()
            assert reader.types(commands) == 0, f"{commands}\n{reader.seen}"
            assert kind != "finally" or "version 1.1 from slot b" in reader.seen
            if found := re.search(r"Set-up code, printed this once: (\S+)", reader.seen):
                code = found[1]
            if found := re.search(r"Certificate, SHA-256: ([0-9A-F ]+)", reader.seen):
                sha256 = found[1].replace(" ", "")
