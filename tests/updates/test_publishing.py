"""Publishing over real HTTP to a small hub that keeps the agreed protocol."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.hub_api import Hub, HubError, HubUnreachableError
from holdfast.core.errors import HoldfastError
from holdfast.updates import bundle
from holdfast.updates.errors import RollbackError, TamperedError

pytestmark = pytest.mark.servers
World = Any  # the class in conftest.py, which cannot be imported


class SmallHub(ThreadingHTTPServer):
    """Takes uploads and releases for one world."""

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.world = world
        self.uploads: dict[str, bytes] = {}
        self.published: list[dict[str, Any]] = []
        self.refuse_early = False
        self.refusal = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: SmallHub

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, **said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str, message: str, hint: str = "") -> None:
        self.close_connection = True
        self.say(status, error={"code": code, "message": message, "hint": hint})

    def trusted(self) -> bool:
        if self.headers["Authorization"] == "Bearer good":
            return True
        self.refuse(401, "token", "The token is not known.", "Make one on the hub.")
        return False

    def do_GET(self) -> None:
        keys = json.loads(self.server.world.online.public_bytes())
        self.say(200, **keys)

    def do_PUT(self) -> None:
        if self.server.refuse_early:
            self.refuse(413, "too-large", "The file is too large for this hub.")
            return
        if not self.trusted():
            return
        content = self.rfile.read(int(self.headers["Content-Length"]))
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.path.endswith(sha256):
            self.refuse(422, "upload", "The file is not the one that was announced.")
            return
        self.server.uploads[sha256] = content
        self.say(200, sha256=sha256, size_bytes=len(content))

    def do_POST(self) -> None:
        if not self.trusted():
            return
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.refusal:
            self.refuse(409, "bad", self.server.refusal)
            return
        metadata = {name: base64.b64decode(text) for name, text in asked["metadata"].items()}
        world = self.server.world
        folder = world.folder / f"bundle-{len(self.server.published)}"
        self.server.published.append(asked)
        if self.path == "/api/repository":
            world.repository.renew(metadata, online=world.online, now=world.now)
            self.say(200, first=False)
            return
        (folder / "metadata").mkdir(parents=True)
        for name, content in metadata.items():
            (folder / "metadata" / name).write_bytes(content)
        for path, sha256 in asked["files"].items():
            (folder / "targets" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "targets" / path).write_bytes(self.server.uploads[sha256])
        try:
            release = world.publish(folder)
        except HoldfastError as error:
            self.refuse(409, error.code, str(error), error.hint)
            return
        self.say(201, release={"version": str(release.version)}, offered=int(asked["offer"]))


@pytest.fixture
def hub(world: World) -> Iterator[SmallHub]:
    server = SmallHub(world)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def upload(folder: Path, speaker: Hub) -> list[int]:
    sent: list[int] = []
    for path, (size_bytes, sha256) in bundle.contents(folder).files().items():
        speaker.upload(
            folder / "targets" / path,
            path=path, size_bytes=size_bytes, sha256=sha256, progress=sent.append,
        )  # fmt: skip
    return sent


def publish(folder: Path, speaker: Hub) -> dict[str, Any]:
    held = bundle.contents(folder)
    upload(folder, speaker)
    files = {path: sha256 for path, (_, sha256) in held.files().items()}
    return speaker.publish(bundle.metadata(folder), files, offer=True)


def test_a_release_reaches_the_repository(world: World, hub: SmallHub) -> None:
    folder = world.signed("1.0")
    speaker = Hub(hub.url, token="good")
    assert sum(upload(folder, speaker)) == sum(
        size_bytes for size_bytes, _ in bundle.contents(folder).files().values()
    )
    assert publish(folder, speaker)["release"] == {"version": "1.0"}
    assert [str(each.version) for each in world.repository.releases()] == ["1.0"]
    assert json.loads(speaker.online_keys()) == json.loads(world.online.public_bytes())
    world.add_product("doorbell")
    assert speaker.send_lists(world.workshop.files()) == {"first": False}
    assert world.repository.products() == ("camera", "doorbell")


def test_what_the_hub_says_is_passed_on(world: World, hub: SmallHub) -> None:
    early, late = world.signed("1.0"), world.signed("1.1")
    speaker = Hub(hub.url, token="good")
    publish(late, speaker)
    with pytest.raises(RollbackError, match="not newer"):
        publish(early, speaker)
    with pytest.raises(HubError, match="token is not known") as caught:
        upload(early, Hub(hub.url, token="bad"))
    assert caught.value.hint == "Make one on the hub."
    hub.refuse_early = True
    with pytest.raises(HubError, match="too large"):
        upload(early, speaker)


@pytest.mark.parametrize("forged", [b"evil", b"X" * 80_000, b"X" * 5_000_000])
def test_a_file_changed_since_signing_never_arrives(
    world: World, hub: SmallHub, forged: bytes
) -> None:
    folder = world.signed("1.0")
    (folder / "targets/camera/1.0/image.squashfs").write_bytes(forged)
    with pytest.raises(TamperedError, match="was changed since"):
        publish(folder, Hub(hub.url, token="good"))
    assert hub.published == []
    assert forged not in hub.uploads.values()


def test_a_file_changed_during_the_upload_never_arrives(world: World, hub: SmallHub) -> None:
    image = world.folder / "big.img"
    image.write_bytes(b"a" * (4 << 20))
    folder = world.build("1.0", artifact=image)
    place = folder / "targets/camera/1.0/big.img"
    held = bundle.contents(folder)

    def change(_: int) -> None:
        with place.open("r+b") as file:
            file.seek((4 << 20) - 10)
            file.write(b"evil")

    size_bytes, sha256 = held.files()["camera/1.0/big.img"]
    with pytest.raises(TamperedError):
        Hub(hub.url, token="good").upload(
            place, path="camera/1.0/big.img", size_bytes=size_bytes, sha256=sha256, progress=change
        )
    assert hub.uploads == {}


def test_a_hub_that_is_away_is_named(world: World, hub: SmallHub) -> None:
    url = hub.url
    hub.shutdown()
    hub.server_close()
    with pytest.raises(HubUnreachableError, match="does not answer") as caught:
        publish(world.signed("1.0"), Hub(url, token="good"))
    assert "running" in caught.value.hint


def test_a_hub_cannot_steer_the_terminal(world: World, hub: SmallHub) -> None:
    world.signed("1.0")
    hub.refusal = "\x1b[2Jsigned by everybody\x07\u202e"
    with pytest.raises(HubError) as caught:
        Hub(hub.url, token="good").send_lists({})
    assert str(caught.value) == "\\x1b[2Jsigned by everybody\\x07\\u202e (bad)"
