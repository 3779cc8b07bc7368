"""TACACS+ servers, plain and over TLS, and what asks them."""

import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from holdfast.accounts.directories.answers import Answer, Login
from holdfast.accounts.directories.settings import Server
from holdfast.accounts.directories.tacacs import TacacsDirectory
from tests.servers.authority import Authority, Issued
from tests.servers.tacacs import Manners, TacacsServer, User, server_context, tacacs_server

KEY = "a shared secret of 36 characters...."
PASSWORD = "correct horse battery staple"
PEOPLE = {
    "ada": User(PASSWORD),
    "bob": User("another password of his", ("priv-lvl=5", "team*cameras")),
    "Ζωή": User("κωδικός με κενά 密码"),
    "n" * 255: User("p" * 255),
}


@dataclass(frozen=True)
class Certificates:
    """Everything with which TLS can go right and wrong; paths are of certificate and key."""

    authority: Authority
    good: tuple[Path, Path]
    foreign: tuple[Path, Path]
    expired: tuple[Path, Path]
    misnamed: tuple[Path, Path]
    client: Issued
    stranger: Issued


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = Authority(), Authority("Another authority")
    return Certificates(
        authority=ours,
        good=ours.issue().write(folder, "good"),
        foreign=theirs.issue().write(folder, "foreign"),
        expired=ours.expired().write(folder, "expired"),
        misnamed=ours.issue("other.example.test").write(folder, "misnamed"),
        client=ours.issue("device.example.test", client=True),
        stranger=theirs.issue("device.example.test", client=True),
    )


@dataclass
class Line:
    """Servers of one transport, and directories that ask them."""

    transport: str
    certificates: Certificates
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def tls(self) -> bool:
        return self.transport == "tls"

    def serve(
        self,
        manners: Manners | None = None,
        *,
        people: Mapping[str, User] = PEOPLE,
        key: str = KEY,
        certificate: str = "good",
    ) -> TacacsServer:
        context = None
        if self.tls:
            shown, its_key = map(str, getattr(self.certificates, certificate))
            context = server_context(shown, its_key, self.certificates.authority.pem)
        server = tacacs_server(people, key=key, context=context, manners=manners)
        return self.stack.enter_context(server)

    def settings(self, port: int, **changed: object) -> Server:
        words: dict[str, object] = {
            "name": f"tac-{port}",
            "protocol": "tacacs+",
            "host": "127.0.0.1",
            "port": port,
            "transport": self.transport,
            "timeout_s": 1,
            "tries": 1,
        }
        if self.tls:
            words["ca"] = self.certificates.authority.pem
            words["client_certificate"] = self.certificates.client.certificate
        else:
            words["warned"] = True
        return Server(**(words | changed))  # type: ignore[arg-type] # any of its fields

    def directory(
        self, port: int, *, key: str = KEY, understood: tuple[str, ...] = (), **changed: object
    ) -> TacacsDirectory:
        secret, ours = ("", self.certificates.client.key) if self.tls else (key, "")
        server = self.settings(port, **changed)
        return TacacsDirectory(server, secret, client_key=ours, understood=understood)

    def ask(
        self, port: int, name: str = "ada", password: str = PASSWORD, **words: object
    ) -> Answer:
        """Ask once; whatever happens must be over in time."""
        directory = self.directory(port, **words)  # type: ignore[arg-type] # passed through
        return asked(directory, name, password)


def asked(directory: TacacsDirectory, name: str = "ada", password: str = PASSWORD) -> Answer:
    until = time.monotonic() + 5
    answer = directory.authenticate(Login(name=name, password=password), until=until)
    assert time.monotonic() < until + 0.1
    return answer


@pytest.fixture(params=["plain", "tls"])
def line(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Line]:
    made = Line(request.param, certificates)
    with made.stack:
        yield made


@pytest.fixture
def line_of(certificates: Certificates) -> Iterator[Callable[[str], Line]]:
    with contextlib.ExitStack() as stack:
        yield lambda transport: Line(transport, certificates, stack)


@dataclass(frozen=True)
class Tacquito:
    """A running server that others wrote, and the file in which it keeps accounts."""

    port: int
    told: Path


@pytest.fixture(scope="session")
def tacquito_program() -> Path:
    """Somebody else's TACACS+ server."""
    program = Path(__file__).parents[4] / "var" / "tacquito" / "server"
    if not program.exists():
        pytest.skip("tacquito is not built: run script/tacquito")
    return program


@pytest.fixture
def tacquito_of(
    tacquito_program: Path, tmp_path: Path
) -> Callable[[Line], Callable[[Mapping[str, User]], Tacquito]]:
    """Starts it, plain or over TLS with client certificates; it ends with the line."""

    def start(line: Line, people: Mapping[str, User]) -> Tacquito:
        settings = {"key": KEY, "people": {name: _person(user) for name, user in people.items()}}
        file, told = tmp_path / "settings.json", tmp_path / "told.txt"
        file.write_text(json.dumps(settings))
        words = [tacquito_program, file]
        if line.tls:
            authority = tmp_path / "authority.pem"
            authority.write_text(line.certificates.authority.pem)
            words += [*line.certificates.good, authority]
        with told.open("wb") as errors:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors)
        line.stack.callback(_ended, process)
        assert process.stdout is not None
        late = threading.Timer(10, process.kill)
        late.start()
        port = process.stdout.readline().decode().strip()
        late.cancel()
        late.join()
        assert port, told.read_text()
        return Tacquito(int(port), told)

    return lambda line: partial(start, line)


@pytest.fixture
def tacquito(
    line: Line, tacquito_of: Callable[[Line], Callable[[Mapping[str, User]], Tacquito]]
) -> Callable[[Mapping[str, User]], Tacquito]:
    """The same, plain and over TLS."""
    return tacquito_of(line)


def _person(user: User) -> dict[str, object]:
    arguments = []
    for argument in user.arguments:
        name, value = re.split("[=*]", argument, maxsplit=1)
        optional = argument[len(name)] == "*"
        arguments.append({"name": name, "values": [value], "is_optional": optional})
    return {"password": user.password, "arguments": arguments}


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    assert process.stdout is not None
    process.stdout.close()
    process.wait(10)
