"""Fetching from real servers on the loopback, over TLS with an authority of their own."""

import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from holdfast.audit.vulnerabilities import download
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.download import Downloads, addresses
from holdfast.audit.vulnerabilities.errors import DownloadError, SignatureError
from holdfast.audit.vulnerabilities.export import write_export
from holdfast.audit.vulnerabilities.settings import Source
from holdfast.cli.audit.database import app
from holdfast.core.errors import HoldfastError
from holdfast.updates.keys import SigningKey, public_of
from holdfast.updates.upstream import CryptoSigner
from tests.audit.vulnerabilities import records as make

pytestmark = pytest.mark.servers


@dataclass
class Publisher:
    """A server with files, that can be told to misbehave."""

    port: int = 0
    scheme: str = "http"
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    etag: bool = True
    break_after: int = 0  # bytes, once
    endless: bool = False
    status: int = 200
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    publisher: ClassVar[Publisher]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.publisher.asked.append((self.path, dict(self.headers)))
        if self.path in self.publisher.redirects:
            self.answer(302, {"Location": self.publisher.redirects[self.path]})
        elif self.publisher.status != 200:
            self.answer(self.publisher.status, {})
        elif self.path not in self.publisher.files:
            self.answer(404, {})
        else:
            self.file(self.publisher.files[self.path])

    def file(self, content: bytes) -> None:
        tag = f'"{hash(content) & 0xFFFFFFFF:x}"'
        headers = {"ETag": tag} if self.publisher.etag else {}
        if self.publisher.etag and self.headers.get("If-None-Match") == tag:
            self.answer(304, headers)
            return
        status, start = 200, 0
        span = self.headers.get("Range", "")
        if span and self.headers.get("If-Range") == tag:
            status, start = 206, int(span.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if self.publisher.endless:
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.pour()
            return
        self.answer(status, headers, content[start:])

    def pour(self) -> None:
        try:
            for _ in range(10_000):
                self.wfile.write(b"0" * 65_536)
        except OSError:
            self.close_connection = True

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.publisher.break_after and len(body) > self.publisher.break_after:
            body = body[: self.publisher.break_after]
            self.publisher.break_after = 0
            self.close_connection = True
        self.wfile.write(body)


def handler_of(publisher: Publisher) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (Handler,), {"publisher": publisher})


@dataclass
class Authority:
    """Signs the certificate of the test's servers."""

    folder: Path
    certificate: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    root, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of a test")])
    now = datetime.now(tz=UTC)

    def certificate(
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        extension: tuple[x509.ExtensionType, bool],
    ) -> bytes:
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(extension[0], critical=extension[1])
            .sign(root, hashes.SHA256())
        )
        return built.public_bytes(Encoding.PEM)

    (folder / "root.pem").write_bytes(
        certificate(name, root.public_key(), (x509.BasicConstraints(ca=True, path_length=0), True))
    )
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "publisher")])
    (folder / "server.pem").write_bytes(
        certificate(subject, server.public_key(), (alternative, False))
        + server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(folder, folder / "root.pem", context)


@pytest.fixture
def publish(authority: Authority) -> Iterator[Callable[..., Publisher]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(*, tls: bool = False) -> Publisher:
        publisher = Publisher(scheme="https" if tls else "http")
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(publisher))
        server.daemon_threads = True
        if tls:
            server.socket = authority.context.wrap_socket(server.socket, server_side=True)
        publisher.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return publisher

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE_S", 0.01)


def source(publisher: Publisher, path: str = "/kev.json", most_bytes: int = 1 << 30) -> Source:
    return Source(name="kev", address=publisher.url(path), most_bytes=most_bytes)


def test_over_tls_and_only_when_changed(
    publish: Callable[..., Publisher], authority: Authority, tmp_path: Path
) -> None:
    publisher = publish(tls=True)
    publisher.files["/kev.json"] = b"first" * 1000
    downloads = Downloads(tmp_path, authority=authority.certificate)
    seen: list[tuple[int, int]] = []
    first = downloads.fetch(source(publisher), lambda done, whole: seen.append((done, whole)))
    assert first.changed
    assert first.path.read_bytes() == b"first" * 1000
    assert seen[-1] == (5000, 5000)
    again = downloads.fetch(source(publisher))
    assert not again.changed
    assert again.path == first.path
    publisher.files["/kev.json"] = b"second"
    assert downloads.fetch(source(publisher)).changed
    assert first.path.read_bytes() == b"second"


def test_a_server_that_cannot_prove_who_it_is(
    publish: Callable[..., Publisher], tmp_path: Path
) -> None:
    publisher = publish(tls=True)
    publisher.files["/kev.json"] = b"first"
    with pytest.raises(DownloadError, match="cannot prove"):
        Downloads(tmp_path).fetch(source(publisher))
    assert publisher.asked == []


def test_it_goes_on_where_it_broke_off(publish: Callable[..., Publisher], tmp_path: Path) -> None:
    publisher = publish()
    content = bytes(range(256)) * 4000
    publisher.files["/kev.json"] = content
    publisher.break_after = 300_000
    fetched = Downloads(tmp_path).fetch(source(publisher))
    assert fetched.path.read_bytes() == content
    assert publisher.asked[1][1]["Range"] == "bytes=300000-"
    assert len(publisher.asked) == 2


def test_without_an_etag_it_begins_anew(publish: Callable[..., Publisher], tmp_path: Path) -> None:
    publisher = publish()
    publisher.etag = False
    publisher.files["/kev.json"] = b"x" * 500_000
    publisher.break_after = 100_000
    fetched = Downloads(tmp_path).fetch(source(publisher))
    assert fetched.path.read_bytes() == b"x" * 500_000
    assert "Range" not in publisher.asked[1][1]


def test_a_file_that_changes_meanwhile_is_not_mixed(
    publish: Callable[..., Publisher], tmp_path: Path
) -> None:
    publisher = publish()
    publisher.files["/kev.json"] = b"a" * 400_000
    publisher.break_after = 100_000
    downloads = Downloads(tmp_path)
    original = download._save

    def change(*args: Any) -> None:  # noqa: ANN401 - passed on
        try:
            original(*args)
        finally:
            publisher.files["/kev.json"] = b"b" * 400_000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "_save", change)
        fetched = downloads.fetch(source(publisher))
    assert set(fetched.path.read_bytes()) == {ord("b")}
    assert fetched.size_bytes == 400_000


def test_redirections(
    publish: Callable[..., Publisher], authority: Authority, tmp_path: Path
) -> None:
    secure, plain = publish(tls=True), publish()
    secure.files["/kev.json"] = plain.files["/kev.json"] = b"data"
    secure.redirects = {
        "/moved": "/kev.json",
        "/circle": "/circle",
        "/away": plain.url("/kev.json"),
        "/odd": "file:///etc/passwd",
    }
    downloads = Downloads(tmp_path, authority=authority.certificate)
    assert downloads.fetch(source(secure, "/moved")).changed
    for path, words in (("/circle", "circles"), ("/away", "away from"), ("/odd", "away from")):
        with pytest.raises(DownloadError, match=words):
            downloads.fetch(source(secure, path))
    assert plain.asked == []


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_refusals(publish: Callable[..., Publisher], tmp_path: Path, status: int) -> None:
    publisher = publish()
    publisher.status = status
    with pytest.raises(DownloadError, match=str(status)) as refusal:
        Downloads(tmp_path).fetch(source(publisher))
    assert "import" in refusal.value.hint


@pytest.mark.parametrize("endless", [True, False])
def test_too_much(publish: Callable[..., Publisher], tmp_path: Path, *, endless: bool) -> None:
    publisher = publish()
    publisher.files["/kev.json"] = b"0" * 3_000_000
    publisher.endless = endless
    with pytest.raises(DownloadError, match="more than"):
        Downloads(tmp_path).fetch(source(publisher, most_bytes=2_000_000))
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) < 4_000_000


def test_nobody_there(publish: Callable[..., Publisher], tmp_path: Path) -> None:
    publisher = publish()
    gone = Source(name="kev", address="http://127.0.0.1:9/kev.json")
    with pytest.raises(DownloadError, match="cannot be reached"):
        Downloads(tmp_path).fetch(gone)
    nowhere = Source(name="kev", address="http://no-such-host.invalid/kev.json")
    with pytest.raises(DownloadError, match="cannot be reached"):
        Downloads(tmp_path).fetch(nowhere)
    assert publisher.asked == []


def test_years() -> None:
    feed = Source(name="nvd", address="https://example.org/{year}.json.gz")
    written = [one.address for one in addresses(feed, 2004)]
    assert written == [f"https://example.org/{year}.json.gz" for year in (2002, 2003, 2004)]


# The command


def settings(tmp_path: Path, authority: Authority, *sources: Source, signed: str = "") -> Path:
    lines = [f'authority = "{authority.certificate}"']
    lines += [f'[[source]]\nname = "{one.name}"\naddress = "{one.address}"' for one in sources]
    path = tmp_path / "vulnerabilities.toml"
    path.write_text("\n".join([*lines, signed]) + "\n")
    return path


def run(*words: object) -> dict[str, Any]:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_update_fetches_what_changed(
    publish: Callable[..., Publisher], authority: Authority, tmp_path: Path
) -> None:
    publisher = publish(tls=True)
    publisher.files["/kev.json"] = json.dumps(make.kev(("CVE-2024-1000", "A", "B", "x"))).encode()
    publisher.files["/epss"] = gzip.compress(b"cve,epss,percentile\nCVE-2024-1000,0.5,0.9\n")
    base = tmp_path / "base.sqlite"
    config = settings(
        tmp_path, authority, source(publisher), Source(name="epss", address=publisher.url("/epss"))
    )
    words = ("update", "--db", base, "--config", config, "--json")
    first = run(*words)
    assert {one["source"]: one["entries"] for one in first["sources"]} == {"kev": 1, "epss": 1}
    before = base.read_bytes()
    run(*words)
    assert base.read_bytes() == before
    publisher.files["/epss"] = gzip.compress(b"CVE-2024-1000,0.6,0.9\nCVE-2024-1001,0.1,0.1\n")
    third = run(*words, "--only", "epss")
    assert {one["source"]: one["entries"] for one in third["sources"]} == {"kev": 1, "epss": 2}


def test_one_publisher_less_does_not_spoil_the_others(
    publish: Callable[..., Publisher], authority: Authority, tmp_path: Path
) -> None:
    publisher = publish(tls=True)
    publisher.files["/kev.json"] = json.dumps(make.kev(("CVE-2024-1000", "A", "B", "x"))).encode()
    base = tmp_path / "base.sqlite"
    config = settings(
        tmp_path, authority, source(publisher), Source(name="epss", address=publisher.url("/gone"))
    )
    words = ["update", "--db", str(base), "--config", str(config)]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, DownloadError)
    with Database(base) as database:
        assert [one.source for one in database.ages()] == ["kev"]


def test_who_does_not_answer_is_asked_and_told_once(authority: Authority, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"https://127.0.0.1:{closed.getsockname()[1]}"
        config = settings(tmp_path, authority, Source(name="nvd", address=f"{place}/{{year}}.gz"))
        words = ["update", "--db", str(tmp_path / "base.sqlite"), "--config", str(config)]
        result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, DownloadError)
    assert result.output.count("cannot be reached") == 1


def test_an_unknown_source_is_named(tmp_path: Path) -> None:
    words = ["update", "--db", str(tmp_path / "base.sqlite"), "--only", "kev", "--only", "nvdd"]
    result = CliRunner().invoke(app, words)
    assert str(result.exception).startswith("no source is called nvdd; there are kev, ")


def test_a_page_instead_of_data_leaves_everything(
    publish: Callable[..., Publisher], authority: Authority, tmp_path: Path
) -> None:
    """Some hotels answer every address with the page to sign in."""
    publisher = publish(tls=True)
    publisher.files["/kev.json"] = b"<html>Sign in</html>"
    base = tmp_path / "base.sqlite"
    config = settings(tmp_path, authority, source(publisher))
    words = ["update", "--db", str(base), "--config", str(config)]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, HoldfastError)
    assert not base.exists()
    publisher.files["/kev.json"] = json.dumps(make.kev(("CVE-2024-1000", "A", "B", "x"))).encode()
    assert CliRunner().invoke(app, words).exit_code == 0


def test_signed_data_from_an_address(
    publish: Callable[..., Publisher],
    authority: Authority,
    tmp_path: Path,
    take: Callable[..., Path],
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    private = Ed25519PrivateKey.generate()
    key = SigningKey(public_of(private, "vulnerability-data"), CryptoSigner(private))
    made = take(make.kev(("CVE-2024-1000", "A", "B", "x")))
    write_export(made, tmp_path / "out", key)
    publisher = publish(tls=True)
    publisher.files["/data"] = (tmp_path / "out").read_bytes()
    signed = f'[signed]\nkey = "{key.public.public}"\naddress = "{publisher.url("/data")}"'
    config = settings(tmp_path, authority, signed=signed)
    base = tmp_path / "base.sqlite"
    answer = run("update", "--db", base, "--config", config, "--json")
    assert answer["sources"][0]["source"] == "kev"
    run("update", "--db", base, "--config", config, "--json")
    publisher.files["/data"] = publisher.files["/data"][:-1] + b"x"
    words = ["update", "--db", str(base), "--config", str(config)]
    assert isinstance(CliRunner().invoke(app, words).exception, SignatureError)
