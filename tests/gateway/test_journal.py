import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holdfast.gateway import reserve, store
from holdfast.gateway.errors import StoreError, StoreFullError
from holdfast.gateway.store import EventRow

Hub = Any  # of conftest.py, which cannot be imported
Start = Callable[[], Any]
BASE = "/DEFAULT/controller/v1/dev-1"


def report(execution: str, finished: str) -> bytes:
    status = {"execution": execution, "result": {"finished": finished}, "details": ["x"]}
    return json.dumps({"id": "1", "status": status}).encode()


def event(number: int) -> EventRow:
    return EventRow(1, number, "feedback", '{"terminal":true}', 5, True)  # noqa: FBT003


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Makes the database of a gateway a full disk: it may have no more pages than it has."""

    def fill(bench: Any) -> None:  # noqa: ANN401 - of conftest.py
        connect = bench.store._connect

        def limited(*, durable: bool) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(durable=durable)
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
            return connection

        monkeypatch.setattr(bench.store, "_connect", limited)

    return fill


def _until_full(bench: Any, hub: Hub) -> None:  # noqa: ANN401 - of conftest.py
    """Fill what is left of the last pages."""
    filler = EventRow(1, None, "attributes", "x" * 3000, 5, False)  # noqa: FBT003
    with pytest.raises(StoreFullError):
        bench.store.append([filler] * 100)
    with contextlib.suppress(StoreFullError):
        for _ in range(100):
            bench.store.append([filler])
    assert hub.database.exists()


def test_full_disk_refuses_chatter_and_keeps_the_end(
    hub: Hub, gateway: Start, full: Callable[[Any], None]
) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    full(bench)
    _until_full(bench, hub)
    address = f"{BASE}/deploymentBase/{offer}/feedback"
    chatter = json.dumps({"status": {"execution": "proceeding", "details": ["x" * 900] * 5}})
    refused = bench.ask("POST", address, chatter.encode())
    assert refused.status == 507
    assert refused.headers[b"retry-after"] == b"5"
    assert bench.journal.failing is not None
    long_end = json.dumps(
        {
            "status": {
                "execution": "closed",
                "result": {"finished": "failure"},
                "details": ["y" * 900] * 5,
            }
        }
    )
    assert bench.ask("POST", address, long_end.encode()).status == 200
    assert bench.ask("GET", BASE).json["_links"] == {}
    bench.journal.stop()  # as if the gateway ended before there was space again
    bench.journal.stop = lambda: None
    assert not any(one.get("terminal") for one in _feedback(hub))
    later = gateway()
    assert [one["finished"] for one in _feedback(hub)] == ["failure"]
    assert later.ask("GET", BASE).json["_links"] == {}


def _feedback(hub: Hub) -> list[Any]:
    found: list[Any] = hub.events("feedback")
    return found


def test_end_that_nowhere_takes_is_held_and_written_later(
    hub: Hub, gateway: Start, full: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    monkeypatch.setattr(bench.journal._reserve, "add", lambda _events: False)
    broken = [True]
    append = bench.store.append

    def sometimes(events: Any) -> None:  # noqa: ANN401 - of the store
        if broken[0]:
            raise StoreError("held by another program")
        append(events)

    bench.store.append = sometimes
    address = f"{BASE}/deploymentBase/{offer}/feedback"
    answer = bench.ask("POST", address, report("closed", "success"))
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
    broken[0] = False
    bench.journal.stop()
    bench.journal.stop = lambda: None
    assert [one["finished"] for one in _feedback(hub)] == ["success"]
    assert full is not None


def test_busy_database_is_waited_for(
    hub: Hub, gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    address = f"{BASE}/deploymentBase/{offer}/feedback"
    with closing(sqlite3.connect(hub.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        async def meanwhile() -> Any:  # noqa: ANN401 - of conftest.py
            asked = asyncio.ensure_future(
                bench.ask_soon("POST", address, report("proceeding", "none"))
            )
            await asyncio.sleep(0.2)
            assert not asked.done()
            other.execute("COMMIT")
            return await asked

        assert asyncio.run(meanwhile()).status == 200
        assert len(_feedback(hub)) == 1
    monkeypatch.setattr(store, "WRITE_WAIT_S", 0.05)
    second = gateway()
    with closing(sqlite3.connect(hub.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert second.ask("POST", address, report("proceeding", "none")).status == 503
        other.execute("COMMIT")
    assert second.ask("POST", address, report("proceeding", "none")).status == 200


def test_seen_times_that_could_not_be_written_are_not_lost(hub: Hub, gateway: Start) -> None:
    hub.device()
    bench = gateway()
    journal = bench.journal
    save = bench.store.save_seen

    def refuse(_pairs: Any) -> None:  # noqa: ANN401 - of the store
        raise StoreError("busy")

    bench.store.save_seen = refuse
    journal.seen = {1: 100, 2: 200}
    journal._save_seen()
    journal.seen[1] = 150
    journal._save_seen()
    journal._save_seen()
    bench.store.save_seen = save
    journal._save_seen()
    journal._save_seen()
    assert hub.rows("SELECT device_id, at_ms FROM fleet_lastseen") == [(1, 150), (2, 200)]


def test_reserve_survives_and_is_read_by_the_next(tmp_path: Path) -> None:
    first = reserve.take(tmp_path)
    second = reserve.take(tmp_path)
    assert first is not None
    assert second is not None
    assert (tmp_path / "gateway-reserve-0.bin").stat().st_blocks * 512 >= reserve.SIZE_BYTES
    assert first.add([event(1), event(2)])
    assert second.add([event(3)])
    assert [one.offer_id for one in first.read()] == [1, 2]
    first.close()
    (left,) = list(_taken(tmp_path))
    assert left == [1, 2]
    third = reserve.take(tmp_path)
    assert third is not None
    assert not third.empty
    third.clear()
    assert third.empty
    assert third.read() == []
    assert third.add([event(4)])
    assert [one.offer_id for one in third.read()] == [4]
    third.close()
    second.close()


def _taken(folder: Path) -> list[list[int | None]]:
    return [[one.offer_id for one in left.read()] for left in reserve.left_by_others(folder)]


def test_reserve_has_an_end_and_bears_torn_lines(tmp_path: Path) -> None:
    kept = reserve.take(tmp_path, size_bytes=200)
    assert kept is not None
    assert kept.add([event(1)])
    assert not kept.add([event(1)] * 10)
    kept.close()
    path = tmp_path / "gateway-reserve-0.bin"
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\0" * 20)
    assert _taken(tmp_path) == [[]]
    path.write_bytes(b"garbage\n" + content)
    assert _taken(tmp_path) == [[1]]
    path.write_bytes(b"")
    assert _taken(tmp_path) == [[]]


def test_two_gateways_beside_each_other(hub: Hub, gateway: Start) -> None:
    offer = hub.offer(hub.device(), hub.release())
    benches = [gateway(), gateway()]
    address = f"{BASE}/deploymentBase/{offer}/feedback"

    async def turns() -> list[int]:
        answers = await asyncio.gather(
            *(
                benches[turn % 2].ask_soon("POST", address, report("proceeding", "none"))
                for turn in range(20)
            )
        )
        return [answer.status for answer in answers]

    assert set(asyncio.run(turns())) == {200}
    assert len(_feedback(hub)) == 20
