import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Hub = Any  # of conftest.py, which cannot be imported
Start = Callable[[], Any]
BASE = "/DEFAULT/controller/v1/dev-1"
IMAGE = bytes(range(256)) * 2_000
TAG = '"' + hashlib.sha1(IMAGE, usedforsecurity=False).hexdigest() + '"'  # noqa: TID251
SEND: dict[str, Any] = {"http.response.pathsend": {}}


@pytest.fixture
def address(hub: Hub) -> str:
    release = hub.release("1.1", [("os.swu", IMAGE), ("empty.bin", b"")])
    hub.offer(hub.device(), release)
    return f"{BASE}/softwaremodules/{release}/artifacts"


@pytest.mark.parametrize("extensions", [{}, SEND])
def test_whole_file(gateway: Start, address: str, extensions: dict[str, Any]) -> None:
    answer = gateway().ask("GET", f"{address}/os.swu", extensions=extensions)
    assert answer.status == 200
    assert answer.body == IMAGE
    assert answer.headers[b"content-length"] == str(len(IMAGE)).encode()
    assert answer.headers[b"etag"] == TAG.encode()
    assert answer.headers[b"accept-ranges"] == b"bytes"
    assert (answer.path is not None) is bool(extensions)


def test_head_says_the_same_without_the_file(gateway: Start, address: str) -> None:
    bench = gateway()
    whole = bench.ask("GET", f"{address}/os.swu", extensions=SEND)
    head = bench.ask("HEAD", f"{address}/os.swu", extensions=SEND)
    assert (head.status, head.body, head.path) == (200, b"", None)
    assert head.headers == whole.headers


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, 512_000),
        ("bytes=100-199", 100, 200),
        ("bytes=511999-", 511_999, 512_000),
        ("bytes=500000-9999999", 500_000, 512_000),
        ("bytes=-10", 511_990, 512_000),
        ("bytes=-9999999", 0, 512_000),
        (" bytes=0-0 ", 0, 1),
    ],
)
def test_range(gateway: Start, address: str, asked: str, start: int, end: int) -> None:
    headers = {"Range": asked}
    answer = gateway().ask("GET", f"{address}/os.swu", headers=headers, extensions=SEND)
    assert answer.status == 206
    assert answer.headers[b"content-range"] == f"bytes {start}-{end - 1}/512000".encode()
    assert answer.headers[b"content-length"] == str(end - start).encode()
    assert answer.body == IMAGE[start:end]


@pytest.mark.parametrize("asked", ["bytes=512000-", "bytes=999999999-", "bytes=-0"])
def test_range_behind_the_end(gateway: Start, address: str, asked: str) -> None:
    answer = gateway().ask("GET", f"{address}/os.swu", headers={"Range": asked})
    assert (answer.status, answer.headers[b"content-range"]) == (416, b"bytes */512000")


@pytest.mark.parametrize(
    "asked", ["bytes=5-1", "bytes=0-1,5-6", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b", "\xff"]
)
def test_range_that_is_none_is_ignored(gateway: Start, address: str, asked: str) -> None:
    answer = gateway().ask("GET", f"{address}/os.swu", headers={"Range": asked})
    assert (answer.status, answer.body) == (200, IMAGE)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("If-Match", TAG, 206),
        ("If-Match", f'"x", {TAG}', 206),
        ("If-Match", "*", 206),
        ("If-Match", '"other"', 412),
        ("If-None-Match", TAG, 304),
        ("If-None-Match", '"other"', 206),
        ("If-Range", TAG, 206),
        ("If-Range", '"other"', 200),
        ("If-Range", "Wed, 21 Oct 2026 07:28:00 GMT", 200),
    ],
)
def test_conditions(gateway: Start, address: str, name: str, value: str, status: int) -> None:
    headers = {"Range": "bytes=5-", name: value}
    answer = gateway().ask("GET", f"{address}/os.swu", headers=headers)
    assert answer.status == status
    assert answer.headers[b"etag"] == TAG.encode()


def test_empty_file(gateway: Start, address: str) -> None:
    bench = gateway()
    assert bench.ask("GET", f"{address}/empty.bin").body == b""
    headers = {"Range": "bytes=0-"}
    assert bench.ask("GET", f"{address}/empty.bin", headers=headers).status == 416


def test_only_so_many_parts_are_sent_at_once(gateway: Start, address: str) -> None:
    bench = gateway()
    places = bench.app.desk.places
    while places.acquire(blocking=False):
        pass
    headers = {"Range": "bytes=5-"}
    answer = bench.ask("GET", f"{address}/os.swu", headers=headers, extensions=SEND)
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"10")
    assert bench.ask("GET", f"{address}/os.swu", extensions=SEND).status == 200
    places.release()
    for _ in range(2):
        assert bench.ask("GET", f"{address}/os.swu", headers=headers).status == 206


def test_md5sum(gateway: Start, address: str) -> None:
    answer = gateway().ask("GET", f"{address}/os.swu.MD5SUM")
    digest = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()  # noqa: TID251
    assert answer.body == f"{digest}  os.swu\n".encode()


def test_list_of_files(gateway: Start, address: str) -> None:
    found = gateway().ask("GET", address).json
    assert [one["filename"] for one in found] == ["os.swu", "empty.bin"]
    assert found[0]["size"] == len(IMAGE)


def test_a_download_is_told_once_and_its_parts_are_not(
    hub: Hub, gateway: Start, address: str
) -> None:
    bench = gateway()
    bench.ask("HEAD", f"{address}/os.swu")
    bench.ask("GET", f"{address}/os.swu")
    for start in range(5):
        bench.ask("GET", f"{address}/os.swu", headers={"Range": f"bytes={start}-"})
    bench.journal.stop()
    assert hub.events("artifact") == [{"filename": "os.swu"}]
    bench.journal.stop = lambda: None


def test_token_of_another_device_opens_nothing(hub: Hub, gateway: Start, address: str) -> None:
    hub.device("dev-2", token="two")
    bench = gateway()
    other = address.replace("dev-1", "dev-2")
    assert bench.ask("GET", f"{other}/os.swu", token="two").status == 404
    assert bench.ask("GET", f"{address}/os.swu", token="two").status == 401
    hub.offer(2, 1, state="failed", closed_ms=1)
    assert bench.ask("GET", f"{other}/os.swu", token="two").status == 200


@pytest.mark.parametrize(
    "name",
    [
        "../../hub.sqlite3",
        "..",
        ".",
        "%2e%2e",
        "os.swu/",
        "os.swu\0",
        "OS.SWU",
        ".MD5SUM",
        "x.MD5SUM",
    ],
)
def test_only_names_in_the_table_are_files(gateway: Start, address: str, name: str) -> None:
    assert gateway().ask("GET", f"{address}/{name}").status in {404, 401}


def test_table_cannot_lead_out_of_the_repository(hub: Hub, gateway: Start, address: str) -> None:
    bench = gateway()
    (hub.repository / "link").symlink_to(hub.database)
    for stored in ("../hub.sqlite3", str(hub.database), "link", "targets", "a\0b", ""):
        hub.run("UPDATE releases_artifact SET stored = ?", stored)
        assert bench.ask("GET", f"{address}/os.swu").status == 404


def test_damaged_or_missing_file_is_not_sent(hub: Hub, gateway: Start, address: str) -> None:
    bench = gateway()
    (path,) = (hub.repository / "targets").rglob("*.os.swu")
    path.write_bytes(IMAGE[:-1])
    assert bench.ask("GET", f"{address}/os.swu").status == 404
    path.unlink()
    assert bench.ask("GET", f"{address}/os.swu").status == 404


@pytest.fixture
def metadata(hub: Hub) -> Path:
    folder: Path = hub.repository / "metadata"
    folder.mkdir()
    (folder / "1.root.json").write_text('{"root":1}')
    (folder / "timestamp.json").write_text('{"t":1}')
    (folder / "3.home-gateway.json").write_text('{"p":3}')
    (folder / "secret.txt").write_text("no")
    (folder / "link.json").symlink_to(hub.database)
    return folder


def test_metadata_is_for_everybody(metadata: Path, gateway: Start) -> None:
    bench = gateway()
    root = bench.ask("GET", "/DEFAULT/tuf/metadata/1.root.json", token=None)
    assert (root.status, root.body) == (200, b'{"root":1}')
    assert b"immutable" in root.headers[b"cache-control"]
    stamp = bench.ask("GET", "/DEFAULT/tuf/metadata/timestamp.json", token=None)
    assert stamp.headers[b"cache-control"] == b"no-cache"
    headers = {"If-None-Match": stamp.headers[b"etag"].decode()}
    address = "/DEFAULT/tuf/metadata/timestamp.json"
    assert bench.ask("GET", address, token=None, headers=headers).status == 304
    (metadata / "timestamp.json").write_text('{"t":2}')
    assert bench.ask("GET", address, token=None, headers=headers).body == b'{"t":2}'
    assert bench.ask("GET", "/DEFAULT/tuf/metadata/3.home-gateway.json").status == 200


@pytest.mark.parametrize(
    "name",
    ["2.root.json", "secret.txt", "link.json", "..", "../hub.sqlite3", "0.root.json", "A.json",
     "x" * 300 + ".json", "timestamp.json\0", "timestamp.json\n", ".json", "1..root.json"],
)  # fmt: skip
def test_other_names_are_no_metadata(metadata: Path, gateway: Start, name: str) -> None:
    assert metadata.is_dir()
    assert gateway().ask("GET", f"/DEFAULT/tuf/metadata/{name}", token=None).status == 404
    assert gateway().ask("GET", "/OTHER/tuf/metadata/1.root.json").status == 404


def test_targets_are_for_devices(hub: Hub, gateway: Start, address: str) -> None:
    assert address
    hub.device("dev-2", token="two")
    bench = gateway()
    (path,) = (hub.repository / "targets").rglob("*.os.swu")
    target = f"/DEFAULT/tuf/targets/home-gateway/1.1/{path.name}"
    answer = bench.ask("GET", target, token="two", extensions=SEND)
    assert (answer.status, answer.body) == (200, IMAGE)
    assert answer.headers[b"etag"] == f'"{path.name.split(".")[0]}"'.encode()
    part = bench.ask("GET", target, token="two", headers={"Range": "bytes=511990-"})
    assert (part.status, part.body) == (206, IMAGE[-10:])
    assert bench.ask("HEAD", target).headers[b"content-length"] == b"512000"
    assert bench.ask("GET", target, token="wrong").status == 401
    assert bench.ask("GET", target, token=None).status == 401
    assert bench.ask("PUT", target).status == 405
    for wrong in (
        target.replace("1.1", ".."),
        target.replace("home-gateway", ".."),
        target.replace("home-gateway", "camera"),
        target.replace(path.name, f"{'0' * 64}.os.swu"),
        target.replace(path.name, "os.swu"),
        target.replace("DEFAULT", "OTHER"),
    ):
        assert bench.ask("GET", wrong).status == 404
