"""Real programs against a real gateway: SWUpdate, wrk, and a proxy that cuts connections."""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.files import sha256_of
from holdfast.core.process import run

NOBODY = 65534
Hub = Any  # of tests/gateway/conftest.py


def _fixtures_of_the_gateway() -> Any:  # noqa: ANN401 - a module
    place = Path(__file__).parents[1] / "gateway" / "conftest.py"
    spec = importlib.util.spec_from_file_location("gateway_fixtures", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gateway_fixtures"] = module
    spec.loader.exec_module(module)
    return module


_gateway_fixtures = _fixtures_of_the_gateway()
empty_database = _gateway_fixtures.empty_database
hub = _gateway_fixtures.hub


def wait_for(what: Callable[[], Any], *, timeout_s: float = 20, every_s: float = 0.05) -> Any:  # noqa: ANN401
    """Ask again and again until there is an answer that counts."""
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(every_s)
    return found


@pytest.fixture
def until() -> Callable[..., Any]:
    """`wait_for`, for tests, which cannot import it."""
    return wait_for


@dataclass
class Server:
    """A gateway in a process of its own."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def serve(hub: Hub, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts gateways on the hub; all end with the test, and none may have had a fault."""
    servers: list[Server] = []

    def start(port: int = 0, url: str = "") -> Server:
        number = len(servers)
        config = tmp_path / f"hub-{number}.toml"
        config.write_text(
            f'state = "{hub.state}"\ngateway_url = "{url}"\n'
            f'[gateway]\nlisten = "127.0.0.1:{port}"\n'
        )
        log = tmp_path / f"gateway-{number}.log"
        program = [sys.executable, "-c", "from holdfast.cli import main; main()"]
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*program, "gateway", "serve", "--config", str(config)],
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        if not address:
            process.stdout.close()
            process.wait(timeout=10)
            raise AssertionError(log.read_text())
        server = Server(port=int(address.rpartition(":")[2]), process=process, log=log)
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                server.process.kill()
                pytest.fail("the gateway did not end when told to")
        assert server.process.stdout is not None
        server.process.stdout.close()
        assert "Traceback" not in server.log.read_text()
        assert "request.failed" not in server.log.read_text()


@dataclass
class Maker:
    """Someone who signs images for SWUpdate with keys of his own."""

    folder: Path

    def __post_init__(self) -> None:
        subject = ["-subj", "/CN=Test maker", "-addext", "extendedKeyUsage=emailProtection"]
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
            "cert.pem", "-days", "30", *subject,
        )  # fmt: skip

    def _openssl(self, *words: str) -> None:
        run(["openssl", *words], timeout_s=60, cwd=self.folder)

    def image(self, name: str, payload: bytes, target: Path, version: str = "1.1") -> Path:
        """Build and sign an image that puts one file somewhere."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "payload.bin").write_bytes(payload)
        with (folder / "payload.bin").open("rb") as file:
            digest = sha256_of(file)
        (folder / "sw-description").write_text(
            f"""software =
{{
    version = "{version}";
    hardware-compatibility: [ "1.0" ];
    files: (
        {{
            filename = "payload.bin";
            path = "{target}";
            sha256 = "{digest}";
            properties: {{ atomic-install = "true"; create-destination = "true"; }}
        }}
    );
}}
"""
        )
        self._openssl(
            "cms", "-sign", "-in", f"{name}/sw-description", "-out", f"{name}/sw-description.sig",
            "-signer", "cert.pem", "-inkey", "key.pem", "-outform", "DER", "-nosmimecap", "-binary",
        )  # fmt: skip
        files = b"sw-description\nsw-description.sig\npayload.bin\n"
        packed = run(["cpio", "-o", "-H", "crc"], timeout_s=60, cwd=folder, stdin=files)
        image = self.folder / f"{name}.swu"
        image.write_bytes(packed.stdout)
        return image


@dataclass
class SwUpdate:
    """Debian's SWUpdate as a device: an unprivileged process with a folder of its own."""

    folder: Path
    certificate: Path
    running: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.folder / "target.bin"

    @property
    def log(self) -> str:
        return (self.folder / "swupdate.log").read_text(errors="replace")

    def start(self, url: str, token: str, *more: str) -> None:
        """Begin to poll; `more` goes to suricatta, as `-c 2` after a restart does."""
        config = self.folder / "swupdate.cfg"
        config.write_text(
            f"""globals : {{
    public-key-file = "{self.certificate}"; bootloader = "none"; loglevel = 5;
}};
suricatta : {{
    tenant = "DEFAULT"; id = "dev-1"; url = "{url}"; polldelay = 1; targettoken = "{token}";
    retry = 10; retrywait = 1;
}};
identify : ( {{ name = "board"; value = "test"; }} );
"""
        )
        command = ["swupdate", "-f", str(config), "-H", "board:1.0", "-u", " ".join(more)]
        if os.geteuid() == 0:
            drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            command = [*drop, *command]
        with (self.folder / "swupdate.log").open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(self.folder)},
                    start_new_session=True,
                )
            )

    def stop(self) -> None:
        """End it, and the processes that it started."""
        for process in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
        self.running.clear()


@pytest.fixture
def maker(need: Callable[[str], str], tmp_path: Path) -> Maker:
    """A maker with keys."""
    need("openssl")
    need("cpio")
    folder = tmp_path / "maker"
    folder.mkdir()
    return Maker(folder)


@pytest.fixture
def swupdate(need: Callable[[str], str], maker: Maker) -> Iterator[SwUpdate]:
    """A device with SWUpdate that trusts the maker. Its folder is where `nobody` can reach it."""
    need("swupdate")
    need("setpriv")
    folder = Path(tempfile.mkdtemp(prefix="holdfast-swupdate-"))
    shutil.copy(maker.folder / "cert.pem", folder / "cert.pem")
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    device = SwUpdate(folder=folder, certificate=folder / "cert.pem")
    yield device
    device.stop()
    shutil.rmtree(folder)


class CuttingProxy:
    """Passes connections on, and cuts those that bring more than so many bytes of an answer.

    Attributes:
        cut_after_bytes: Of each of the next connections; what is not listed is not cut.
        cuts: How many were cut.
        asked: First bytes of every request.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.cut_after_bytes: list[int] = []
        self.cuts = 0
        self.asked: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to)) as server:
            back = threading.Thread(target=self._back, args=(server, client))
            back.start()
            with contextlib.suppress(OSError):
                while content := client.recv(65536):
                    self.asked.append(content)
                    server.sendall(content)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while content := server.recv(65536):
                passed += len(content)
                if self.cut_after_bytes and passed > self.cut_after_bytes[0]:
                    self.cut_after_bytes.pop(0)
                    self.cuts += 1
                    break
                client.sendall(content)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(timeout=10)


@pytest.fixture
def cutting_proxy() -> Iterator[Callable[[int], CuttingProxy]]:
    """Starts proxies before a port."""
    proxies: list[CuttingProxy] = []

    def start(port: int) -> CuttingProxy:
        proxies.append(CuttingProxy(port))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()
