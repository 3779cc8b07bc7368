"""The real agent: one update from offer to confirmation, and everything that can go wrong."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.device.broker import wire

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def release_of(bench: Any, version: str = "1.1") -> Any:
    from holdfast.updates.client import Client, folder_fetch  # noqa: PLC0415 - only here

    trusted = bench.folder / "reading"
    trusted.mkdir(exist_ok=True)
    (trusted / "root.json").write_bytes((bench.folder / "factory" / "root.json").read_bytes())
    client = Client(trusted, folder_fetch(bench.maker.repository.metadata), now=bench.maker.now)
    client.refresh("home-gateway")
    return next(one for one in client.releases() if str(one.version) == version)


def offered(bench: Any, version: str = "1.1", number: int = 7) -> Any:
    release = release_of(bench, version)
    bench.gateway.offer(number, release)
    bench.start()
    bench.until(lambda: bench.stage() == "offered", "the offer")
    return release


def resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1))


def ended(bench: Any) -> bool:
    return any(body["status"]["execution"] == "closed" for _, body in bench.gateway.feedback)


def test_from_offer_to_confirmation(bench: Any) -> None:
    offered(bench)
    state = bench.ask("update.state")
    assert state["offer"]["severity"] == "high"
    assert state["offer"]["fixes"] == ["CVE-2026-1234"]
    assert bench.ask("update.notes", part=0)["text"] == "Closes a hole in the web page."
    assert bench.gateway.attributes[0]["holdfast.version"] == "1.0"
    bench.ask("update.install")
    assert bench.broker.rebooted.wait(20)
    bench.until(
        lambda: any("installed in slot b" in line for line in bench.gateway.details()), "report"
    )
    pid = bench.process.pid
    assert resident_kb(pid) <= 20_500
    bench.stop()
    bench.broker.boot()
    bench.start()
    bench.until(lambda: ended(bench), "the end")
    assert bench.broker.calls.count("slot.confirm") == 1
    assert bench.gateway.attributes[-1]["holdfast.version"] == "1.1"
    assert bench.gateway.feedback[-1][1]["status"]["result"]["finished"] == "success"
    assert bench.last()["kind"] == "installed"
    assert bench.ask("update.state")["running"]["version"] == "1.1"


def test_falls_back_and_says_so_once(bench: Any) -> None:
    offered(bench)
    bench.ask("update.install")
    assert bench.broker.rebooted.wait(20)
    bench.stop()
    bench.broker.boot(healthy=False)
    bench.start()
    bench.until(lambda: ended(bench), "the end")
    assert bench.gateway.details()[-1].startswith("[update-unhealthy]")
    assert "did not answer" in bench.gateway.details()[-1]
    bench.gateway.closed.clear()  # the hub offers it again all the same
    polls = bench.gateway.polls
    bench.until(lambda: bench.gateway.polls > polls + 2, "polls")
    assert bench.broker.calls.count("slot.install") == 1
    assert bench.stage() == "current"


def test_cut_download_is_resumed(bench: Any) -> None:
    release = offered(bench)
    image = bench.gateway.image
    cuts = iter([50_000, 200_000, 400_000])

    def cut(handler: Any, start: int) -> None:
        end = next(cuts, len(image))
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", '"same"')
        handler.send_header("Content-Length", str(len(image) - start))
        if start:
            span = f"bytes {start}-{len(image) - 1}/{len(image)}"
            handler.send_header("Content-Range", span)
        handler.end_headers()
        handler.wfile.write(image[start:end])
        handler.close_connection = True

    bench.gateway.serve_file = cut
    bench.ask("update.install")
    assert bench.broker.rebooted.wait(30)
    assert bench.gateway.ranges == ["", "bytes=50000-", "bytes=200000-", "bytes=400000-"]
    assert release.size_bytes == len(image)


def test_endless_download_is_cut_off(bench: Any) -> None:
    offered(bench)
    size = len(bench.gateway.image)
    sent: list[int] = []

    def endless(handler: Any, _start: int) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        for _ in range(10_000):
            handler.wfile.write(b"x" * 65_536)
            sent.append(65_536)

    bench.gateway.serve_file = endless
    bench.ask("update.install")
    bench.until(lambda: ended(bench), "the refusal")
    assert bench.gateway.details()[-1].startswith("[update-too-long]")
    # Some megabytes fit into the buffers of the kernel; the hub would have sent 655.
    assert sum(sent) < size + 32_000_000
    assert bench.last()["code"] == "update-too-long"
    assert not list((bench.folder / "agent" / "staging").glob("artifact*"))


def test_changed_file_is_fetched_once_more_and_refused(bench: Any) -> None:
    offered(bench)
    bench.gateway.image = b"?" + bench.gateway.image[1:]
    bench.ask("update.install")
    bench.until(lambda: ended(bench), "the refusal")
    assert bench.gateway.details()[-1].startswith("[update-tampered]")
    assert len(bench.gateway.ranges) == 2
    assert "slot.install" not in bench.broker.calls


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("update-foreign-key", "The update is signed by somebody other than the manufacturer."),
        ("no-space", "no space left while writing slot b"),
    ],
)
def test_refusal_of_the_broker_reaches_hub_and_owner(
    bench: Any, refusal: Any, code: str, sentence: str
) -> None:
    offered(bench)
    error = refusal(code, sentence)
    error.__dict__["code"] = code
    bench.broker.refusal = error
    bench.ask("update.install")
    bench.until(lambda: ended(bench), "the refusal")
    assert bench.gateway.details()[-1] == f"[{code}] {sentence}"
    assert bench.last()["code"] == code
    assert bench.ask("update.history", page=0)["entries"][0]["code"] == code


def test_older_version_is_refused_before_the_owner_is_asked(bench: Any) -> None:
    from holdfast.device.broker import state as slots  # noqa: PLC0415 - only here

    now = slots.read(bench.broker.file)
    newer = now.running._replace(version="1.2")
    slots.write(bench.broker.file, now.with_slot("a", newer))
    bench.gateway.offer(9, release_of(bench, "1.1"))
    bench.start()
    bench.until(lambda: ended(bench), "the refusal")
    assert bench.gateway.details()[-1].startswith("[update-rollback]")
    # A new offer is tried again.
    bench.gateway.offer(10, release_of(bench, "1.1"))
    bench.until(lambda: len(bench.gateway.closed) == 2, "the second refusal")


def test_later_then_forced(bench: Any) -> None:
    offered(bench)
    bench.ask("update.later", days=1)
    assert bench.stage() == "deferred"
    bench.until(lambda: any("put it off" in line for line in bench.gateway.details()), "report")
    bench.gateway.mode, bench.gateway.revision = "forced", 2
    assert bench.broker.rebooted.wait(20)


def test_kill_at_any_moment_loses_nothing(bench: Any) -> None:
    offered(bench)
    image = bench.gateway.image

    def drip(handler: Any, start: int) -> None:
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", '"same"')
        handler.send_header("Content-Length", str(len(image) - start))
        if start:
            span = f"bytes {start}-{len(image) - 1}/{len(image)}"
            handler.send_header("Content-Range", span)
        handler.end_headers()
        for at in range(start, len(image), 60_000):
            handler.wfile.write(image[at : at + 60_000])

    bench.gateway.serve_file = drip
    bench.ask("update.install")
    for _ in range(6):
        bench.kill()
        bench.start()
    assert bench.broker.rebooted.wait(30)
    bench.kill()
    bench.broker.boot()
    bench.start()
    bench.kill()
    bench.start()
    bench.until(lambda: ended(bench), "the end")
    assert bench.last()["kind"] == "installed"


def test_silent_hub_loses_no_report(bench: Any) -> None:
    bench.start()
    bench.until(lambda: bench.gateway.attributes, "attributes")
    bench.gateway.fault = lambda handler: handler.answer({}, 500) or True
    bench.ask("owner.subscribe", address="ada@example.org")
    bench.until(lambda: bench.ask("update.state")["hub"]["silent_since_ms"], "silence noticed")
    assert bench.ask("update.state")["address"] == "a…@example.org"
    bench.kill()
    bench.gateway.fault = lambda _handler: False
    bench.start()
    bench.until(lambda: bench.gateway.addresses, "the address")
    assert bench.gateway.addresses == [{"address": "ada@example.org", "action": "subscribe"}]
    bench.until(
        lambda: bench.ask("update.state")["hub"]["silent_since_ms"] is None, "the hub heard"
    )
    bench.until(lambda: "ada@example.org" not in json.dumps(bench.memory()), "forgotten")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"_links": 7}', b"[" * 100_000, b"x" * 1_000_000, b"\xff\xfe"],
    ids=["empty", "cut", "list", "null", "links", "deep", "huge", "bytes"],
)
def test_garbage_is_survived(bench: Any, body: bytes) -> None:
    seen: list[str] = []

    def garbage(handler: Any) -> bool:
        if handler.command == "GET":
            seen.append(handler.path)
            handler.answer(body)
            return True
        return False

    bench.gateway.fault = garbage
    bench.start()
    bench.until(lambda: seen, "a poll")
    bench.until(lambda: bench.ask("update.state")["hub"]["silent_since_ms"], "silence noticed")
    bench.gateway.fault = lambda _handler: False
    bench.ask("update.check")
    bench.until(lambda: bench.ask("update.state")["hub"]["answered_ms"], "an answer")


def test_cancelled_by_the_hub(bench: Any) -> None:
    offered(bench)
    bench.gateway.cancel = 7
    bench.until(lambda: ended(bench), "the cancellation")
    assert bench.gateway.feedback[-1][0] == "cancelAction/7/feedback"
    assert bench.stage() == "current"


def test_automatic_in_the_window(bench: Any) -> None:
    offered(bench)
    bench.ask("update.preferences", mode="automatic", window="00:00-00:00")
    assert bench.broker.rebooted.wait(20)


def test_strangers_and_nonsense_are_refused(bench: Any) -> None:
    bench.start()
    for verb, args in (
        ("update.install", {}),
        ("update.later", {"days": 1}),
        ("update.preferences", {"mode": "ask", "window": "02:00-02:10"}),
        ("owner.subscribe", {"address": "not an address"}),
        ("slot.install", {"version": "1.1"}),
    ):
        with pytest.raises(wire.AnsweredError):
            bench.ask(verb, **args)


def test_a_link_that_is_no_address_is_survived(bench: Any) -> None:
    seen: list[str] = []
    href = "http://hub//[x/deploymentBase/7?c=1"

    def odd(handler: Any) -> bool:
        seen.append(handler.path)
        if handler.command == "GET" and "deploymentBase" not in handler.path:
            handler.answer({"_links": {"deploymentBase": {"href": href}}})
            return True
        return False

    bench.gateway.fault = odd
    bench.start()
    bench.until(lambda: any("deploymentBase" in path for path in seen), "the link is followed")
    bench.gateway.fault = lambda _handler: False
    bench.until(lambda: bench.ask("update.state")["hub"]["answered_ms"], "an answer")
    assert bench.process.poll() is None


def test_a_log_that_cannot_be_written_stops_nothing(bench: Any) -> None:
    bench.log = "/dev/full"
    offered(bench)
    bench.ask("update.install")
    assert bench.broker.rebooted.wait(20)


@pytest.fixture
def small_disk(bench: Any) -> Iterator[Path]:
    """Put the agent's folder on a file system with little space."""
    folder = bench.folder / "agent"
    size = "size=400k,mode=700"
    if subprocess.call(["/bin/mount", "-t", "tmpfs", "-o", size, "none", str(folder)]) != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    bench.kill()
    subprocess.check_call(["/bin/umount", "-l", str(folder)])


def test_no_room_for_the_download_is_said_before_it_begins(bench: Any, small_disk: Path) -> None:
    offered(bench)
    bench.ask("update.install")
    bench.until(lambda: ended(bench), "the refusal")
    assert bench.gateway.details()[-1].startswith("[no-space]")
    assert "MB" in bench.last()["sentence"]
    assert "Free some space" in bench.last()["hint"]
    assert bench.gateway.ranges == []
    assert not list(small_disk.rglob("artifact*"))


def test_no_room_for_the_memory_stops_nothing_that_is_not_new(bench: Any, small_disk: Path) -> None:
    """The state file cannot be replaced: what was decided stays decided, and nothing is lost."""
    offered(bench)
    before = (small_disk / "state.json").read_bytes()
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(wire.AnsweredError) as refused:
        bench.ask("update.install")
    assert refused.value.code == "no-space"
    assert "Free some space" in refused.value.hint
    assert (small_disk / "state.json").read_bytes() == before
    assert bench.process.poll() is None
    filler.unlink()
    # Now it goes on, or is refused for the lack of room that a download needs: never half.
    bench.ask("update.check")
    bench.until(lambda: ended(bench) or bench.broker.rebooted.is_set(), "an end")


def test_a_damaged_root_of_trust_is_said(bench: Any) -> None:
    (bench.folder / "factory" / "root.json").write_text("{}")
    bench.gateway.offer(7, release_of_maker(bench))
    bench.start()
    bench.until(lambda: ended(bench), "the refusal")
    assert "root file that this device was made with is damaged" in bench.last()["sentence"]
    assert "ask the manufacturer" in bench.last()["hint"]


def release_of_maker(bench: Any) -> Any:
    """Read the release with the maker's own root, since the device's is damaged."""
    kept = bench.folder / "factory" / "root.json"
    damaged = kept.read_bytes()
    kept.write_bytes((bench.maker.repository.metadata / "1.root.json").read_bytes())
    try:
        return release_of(bench)
    finally:
        kept.write_bytes(damaged)
