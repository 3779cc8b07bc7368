"""Django for the hub's tests: a state folder of its own, and a fresh database for each test."""

import atexit
import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.test.utils import setup_test_environment

from holdfast.accounts.hashing.device_keys import DeviceKeys, save
from holdfast.updates.keys import SigningKey, public_of
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.upstream import CryptoSigner
from holdfast.updates.workshop import Start, Workshop
from tests.hub.doors import prove

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from holdfast.hub.fleet.models import Device
    from holdfast.hub.products.models import Product
    from holdfast.hub.releases.models import Release as StoredRelease
    from holdfast.hub.staff.models import Account

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PASSWORD = "seven plain words nobody would guess"
START_S = 20

# Test modules import models, so Django must be ready before they are collected.
# Every commit waits for the disk: in memory that costs nothing.
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_ROOMY = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 512 << 20
_STATE = Path(tempfile.mkdtemp(prefix="holdfast-hub-tests-", dir=_MEMORY if _ROOMY else None))
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)
(_STATE / "hub.toml").write_text('state = "state"\nlisten = "127.0.0.1:8000"\n')
with pytest.MonkeyPatch.context() as _environment:
    # Only while Django starts: other tests in this process have other hubs.
    _environment.setenv("HOLDFAST_HUB_CONFIG", str(_STATE / "hub.toml"))
    _environment.setenv("DJANGO_SETTINGS_MODULE", "holdfast.hub.settings")
    django.setup()
setup_test_environment()
# Tests make accounts by the dozen; the real hasher has a test of its own.
REAL_HASHERS = list(settings.PASSWORD_HASHERS)
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def _empty_database() -> Path:
    """Migrate once; every test gets a copy."""
    settings.HUB.state.mkdir()
    call_command("migrate", interactive=False, verbosity=0)
    connections.close_all()
    return settings.HUB.database.rename(_STATE / "empty.sqlite3")


_KEYS = DeviceKeys.made()


@pytest.fixture
def db(_empty_database: Path) -> Iterator[Path]:
    """Give the test a state folder with an empty database; real commits, nothing left behind."""
    from holdfast.hub.staff import brake  # noqa: PLC0415 - after Django has started

    state: Path = settings.HUB.state
    shutil.rmtree(state)
    settings.HUB.uploads.mkdir(parents=True)
    shutil.copyfile(_empty_database, settings.HUB.database)
    save(settings.HUB.account_keys, _KEYS)
    brake.forget()
    yield state
    connections.close_all()


@pytest.fixture
def client(db: Path) -> Client:
    """Give a browser that is not logged in; CSRF is checked as for a real one."""
    del db
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def ada(db: Path) -> "Account":
    """Give a member of staff."""
    del db
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    link = services.make_setup_link()
    return services.make_account(link.rpartition("/")[2], name="ada", password=PASSWORD)


@pytest.fixture
def staff_client(ada: "Account") -> Client:
    """Give a browser in which ada is logged in; it sends forms as ada does."""
    client = Client()
    client.force_login(ada)
    prove(client)
    return client


@pytest.fixture
def token(db: Path) -> str:
    """Give a valid API token."""
    del db
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    return services.make_token("build-server", by="ada")


@pytest.fixture
def product(db: Path) -> "Product":
    """Give the example gateway, added by its profile."""
    del db
    from holdfast.hub.products import services  # noqa: PLC0415 - after Django has started

    return services.take_profile((EXAMPLES / "home-gateway/product.toml").read_bytes(), by="ada")


@pytest.fixture
def release(product: "Product") -> Callable[..., "StoredRelease"]:
    """Write releases as the API does once it has verified them, and they passed the audit."""

    def make(version: str = "1.1", *, judged: bool = True, **fields: object) -> "StoredRelease":
        from holdfast.hub.moments import DAY_MS, now_ms  # noqa: PLC0415 - after Django has started
        from holdfast.hub.releases.models import Judgement, Judging  # noqa: PLC0415
        from holdfast.hub.releases.models import Release as Stored  # noqa: PLC0415

        known: dict[str, Any] = {
            "product": product,
            "version": version,
            "number": Version.parse(version).number,
            "severity": "high",
            "notes": "The page for guests no longer shows the password of the owner.",
            "fixes": ["CVE-2026-1234"],
            "hardware": ["a"],
            "floor": "1.0",
            "made_ms": now_ms(),
            "expires_ms": now_ms() + 365 * DAY_MS,
            "published_ms": now_ms(),
        }
        known.update(fields)
        stored = Stored.objects.create(**known)
        if judged:
            Judgement.objects.create(release=stored, state=Judging.PASSED, asked_ms=now_ms())
        return stored

    return make


@pytest.fixture
def device(product: "Product") -> "Device":
    """Give one registered device."""
    from holdfast.hub.fleet import services  # noqa: PLC0415 - after Django has started
    from holdfast.hub.fleet.models import Device  # noqa: PLC0415

    services.register_device("ng-0001", product, "a", by="ada")
    return Device.objects.get(controller_id="ng-0001")


@pytest.fixture
def mail_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let mails become files in a folder."""
    folder = tmp_path / "mails"
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, mail_folder=folder))
    return folder


def _key(role: str) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    return SigningKey(public_of(private, role), CryptoSigner(private))


class Maker:
    """A maker with keys in memory: two root, one targets, two for the product (both must sign)."""

    PRODUCT = "home-gateway"

    def __init__(self, folder: Path, online: bytes) -> None:
        now = datetime.now(tz=UTC).replace(microsecond=0)
        self.roots = [_key("root"), _key("root")]
        self.targets = _key("targets")
        self.signers = [_key(self.PRODUCT), _key(self.PRODUCT)]
        start = Start(
            online=online,
            root=[key.public for key in self.roots],
            targets=[self.targets.public],
        )
        self.workshop = Workshop.init(folder, start, now=now)
        self.sign("root", *self.roots)
        self.sign("targets", self.targets)
        self.workshop.add_product(
            self.PRODUCT, [key.public for key in self.signers], threshold=2, now=now
        )
        self.sign("targets", self.targets)

    def sign(self, role: str, *keys: SigningKey) -> None:
        for key in keys:
            self.workshop.sign(role, key)

    def lists(self) -> dict[str, str]:
        """Give all signed lists, in base64."""
        return {
            name: base64.b64encode(content).decode()
            for name, content in self.workshop.files().items()
        }

    def release(
        self, version: str, *, signed_by: int = 2, profile: bytes = b""
    ) -> dict[str, bytes]:
        """Stage and sign a release; return its files by target path."""
        now = datetime.now(tz=UTC).replace(microsecond=0)
        image = f"image of {version} ".encode() * 1000
        profile = profile or (EXAMPLES / "home-gateway/product.toml").read_bytes()
        beside = f"{self.PRODUCT}/{version}/product.toml"
        release = Release(
            product=self.PRODUCT,
            version=Version.parse(version),
            hardware=("a", "b"),
            floor=Version.parse("1.0"),
            severity=Severity.HIGH,
            notes="The web page no longer crashes on long names.\nPages load faster.",
            fixes=("CVE-2026-12345", "CVE-2026-12346"),
            artifact="gateway.squashfs",
            size_bytes=len(image),
            sha256=hashlib.sha256(image).hexdigest(),
            made=now,
            expires=now + timedelta(days=700),
            profile_sha256=hashlib.sha256(profile).hexdigest(),
        )
        self.workshop.stage_release(
            release, {beside: (len(profile), release.profile_sha256)}, now=now
        )
        self.sign(self.PRODUCT, *self.signers[:signed_by])
        return {release.path: image, beside: profile}

    def publication(self, files: dict[str, bytes], *, offer: bool = False) -> dict[str, object]:
        """Return the JSON with which the release is published."""
        lists = self.workshop.files(self.PRODUCT)
        return {
            "metadata": {name: base64.b64encode(raw).decode() for name, raw in lists.items()},
            "files": {path: hashlib.sha256(raw).hexdigest() for path, raw in files.items()},
            "offer": offer,
        }


@pytest.fixture
def make_maker(tmp_path: Path) -> Callable[[bytes], Maker]:
    """Make a maker who knows the hub's online keys."""
    return lambda online: Maker(tmp_path / "workshop", online)


class Machine:
    """What `holdfast release publish` does, through the API, in this process."""

    def __init__(self, client: Client, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def post(self, path: str, content: object) -> tuple[int, dict[str, object]]:
        """Send JSON; return status and answer."""
        answer = self.client.post(
            path, json.dumps(content), content_type="application/json", headers=self.headers
        )
        return answer.status_code, answer.json()

    def upload(self, content: bytes, sha256: str | None = None) -> tuple[int, dict[str, object]]:
        """Send a file; return status and answer."""
        digest = sha256 or hashlib.sha256(content).hexdigest()
        answer = self.client.put(
            f"/api/uploads/{digest}",
            content,
            content_type="application/octet-stream",
            headers=self.headers,
        )
        return answer.status_code, answer.json()

    def publish(
        self, maker: Maker, version: str, *, offer: bool = False
    ) -> tuple[int, dict[str, object]]:
        """Build, sign, upload and publish a release."""
        files = maker.release(version)
        for content in files.values():
            self.upload(content)
        return self.post("/api/releases", maker.publication(files, offer=offer))


@pytest.fixture
def machine(client: Client, token: str) -> Machine:
    """Give a program that holds an API token."""
    return Machine(client, token)


@pytest.fixture
def maker(machine: Machine, make_maker: Callable[[bytes], Maker]) -> Maker:
    """Give a maker whom this hub trusts."""
    made = make_maker(machine.client.get("/api/online-keys").content)
    status, _answer = machine.post("/api/repository", {"metadata": made.lists()})
    assert status == 201
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Hub:
    """A running `holdfast hub serve`."""

    url: str
    setup_link: str
    config: Path
    process: subprocess.Popen[str]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(15)


@pytest.fixture
def start_hub(tmp_path: Path, need: Callable[[str], str]) -> Iterator[Callable[[], Hub]]:
    program = need("holdfast")
    started: list[Hub] = []
    port = free_port()
    config = tmp_path / "hub.toml"
    config.write_text(f'state = "state"\nlisten = "127.0.0.1:{port}"\n')

    def start() -> Hub:
        # Its own environment: this process may be another hub's.
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        with (tmp_path / "hub.log").open("a") as log:
            process = subprocess.Popen(
                [program, "hub", "serve", "--json", "-c", str(config)],
                stdout=subprocess.PIPE, stderr=log, text=True, env=env,
            )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (tmp_path / "hub.log").read_text()
        said = json.loads(line)
        hub = Hub(said["url"], said["setup_link"] or "", config, process)
        started.append(hub)
        wait_for(hub.url)
        return hub

    yield start
    for hub in started:
        if hub.process.poll() is None:
            hub.process.kill()
            hub.process.wait(10)
        if hub.process.stdout:
            hub.process.stdout.close()


@pytest.fixture
def start_worker(need: Callable[[str], str]) -> Iterator[Callable[[Path], None]]:
    """Start a worker of a hub; it does not outlive the test."""
    program = need("holdfast")
    started: list[subprocess.Popen[bytes]] = []

    def start(config: Path) -> None:
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        command = [program, "hub", "worker", "--config", str(config)]
        started.append(subprocess.Popen(command, env=env))

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


@pytest.fixture
def chromium(need: Callable[[str], str]) -> Iterator["Browser"]:
    """Start a browser without a window."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - most tests need none

    from tests.hub.browsing import CHROMIUM  # noqa: PLC0415 - as above

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=CHROMIUM)
        yield browser
        browser.close()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/login/", timeout=5) as answer:  # noqa: S310
                assert answer.status == 200
                return
        except urllib.error.URLError:
            time.sleep(0.02)
    pytest.fail("the hub did not answer")
