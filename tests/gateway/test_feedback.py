import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.gateway import exchange
from holdfast.gateway.app import AT_ONCE_MOST
from holdfast.gateway.ddi import ENDS_MOST
from holdfast.gateway.limits import BURST, WriteLimit

Hub = Any  # of conftest.py, which cannot be imported
Start = Callable[[], Any]
BASE = "/DEFAULT/controller/v1/dev-1"


def report(execution: str, finished: str, *details: str) -> bytes:
    status = {"execution": execution, "result": {"finished": finished}, "details": details}
    return json.dumps({"id": "1", "status": status}).encode()


def test_deployment_is_described_as_the_ddi_says(hub: Hub, gateway: Start) -> None:
    device = hub.device()
    release = hub.release("1.1", [("os v1.swu", b"image"), ("notes.txt", b"new")])
    offer = hub.offer(device, release, mode="forced")
    answer = gateway().ask("GET", f"{BASE}/deploymentBase/{offer}?c=1").json
    assert answer["id"] == str(offer)
    assert answer["deployment"]["download"] == answer["deployment"]["update"] == "forced"
    (chunk,) = answer["deployment"]["chunks"]
    assert (chunk["part"], chunk["name"], chunk["version"]) == ("os", "home-gateway", "1.1")
    first, second = chunk["artifacts"]
    assert second["filename"] == "notes.txt"
    link = f"http://gw.example:8001{BASE}/softwaremodules/{release}/artifacts/os%20v1.swu"
    assert first == {
        "filename": "os v1.swu",
        "size": 5,
        "hashes": {
            "sha1": "0e76292794888d4f1fa75fb3aff4ca27c58f56a6",
            "md5": "78805a221a988e79ef3f42d7c5bfd418",
            "sha256": "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
        },
        "_links": {
            "download": {"href": link},
            "download-http": {"href": link},
            "md5sum": {"href": f"{link}.MD5SUM"},
            "md5sum-http": {"href": f"{link}.MD5SUM"},
        },
    }


@pytest.mark.parametrize(
    ("mode", "download", "update"), [("attempt", "attempt", "attempt"), ("skip", "forced", "skip")]
)
def test_handling(hub: Hub, gateway: Start, mode: str, download: str, update: str) -> None:
    offer = hub.offer(hub.device(), hub.release(), mode=mode)
    deployment = gateway().ask("GET", f"{BASE}/deploymentBase/{offer}").json["deployment"]
    assert (deployment["download"], deployment["update"]) == (download, update)


def test_reading_an_offer_is_told_once(hub: Hub, gateway: Start) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    for _ in range(3):
        bench.ask("GET", f"{BASE}/deploymentBase/{offer}")
    bench.ask("POST", f"{BASE}/deploymentBase/{offer}/feedback", report("download", "none"))
    assert hub.rows("SELECT offer_id, body FROM fleet_event WHERE kind = 'retrieved'") == [
        (offer, "{}")
    ]


def test_history_is_added_when_asked(hub: Hub, gateway: Start) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    address = f"{BASE}/deploymentBase/{offer}"
    bench.ask("POST", f"{address}/feedback", report("proceeding", "none", "one", "two"))
    bench.ask("POST", f"{address}/feedback", report("download", "none", "three"))
    found = bench.ask("GET", f"{address}?c=1&actionHistory=10").json["actionHistory"]
    assert found == {"status": "DOWNLOAD", "messages": ["three", "one", "two"]}
    assert "actionHistory" not in bench.ask("GET", address).json


def test_installed_base_describes_what_is_confirmed(hub: Hub, gateway: Start) -> None:
    device = hub.device()
    done = hub.offer(device, hub.release("1.0"), state="confirmed", closed_ms=3)
    failed = hub.offer(device, hub.release("1.1"), state="failed", closed_ms=4)
    bench = gateway()
    answer = bench.ask("GET", f"{BASE}/installedBase/{done}")
    assert answer.json["deployment"]["chunks"][0]["version"] == "1.0"
    assert bench.ask("GET", f"{BASE}/installedBase/{failed}").status == 404


@pytest.mark.parametrize("number", ["0", "-1", "01", "x", "2147483648", "99999999999", "1.0", ""])
def test_numbers_are_positive_and_below_two_to_the_31(
    hub: Hub, gateway: Start, number: str
) -> None:
    hub.offer(hub.device(), hub.release())
    bench = gateway()
    assert bench.ask("GET", f"{BASE}/deploymentBase/{number}").status == 404
    body = report("closed", "success")
    assert bench.ask("POST", f"{BASE}/deploymentBase/{number}/feedback", body).status == 404


def test_actions_of_others_are_not_found_and_old_ones_are_gone(hub: Hub, gateway: Start) -> None:
    device, other = hub.device(), hub.device("dev-2", token="two")
    release = hub.release()
    foreign = hub.offer(other, release)
    closed = hub.offer(device, release, state="failed", closed_ms=4)
    bench = gateway()
    body = report("closed", "success")
    assert bench.ask("GET", f"{BASE}/deploymentBase/{foreign}").status == 404
    assert bench.ask("POST", f"{BASE}/deploymentBase/{foreign}/feedback", body).status == 404
    assert bench.ask("GET", f"{BASE}/deploymentBase/{closed}").status == 404
    assert bench.ask("POST", f"{BASE}/deploymentBase/{closed}/feedback", body).status == 410
    assert hub.events() == []


def test_closing_hides_the_offer_at_once_here_and_in_other_gateways(
    hub: Hub, gateway: Start
) -> None:
    offer = hub.offer(hub.device(), hub.release())
    first, second = gateway(), gateway()
    body = report("closed", "success", "done")
    answer = first.ask("POST", f"{BASE}/deploymentBase/{offer}/feedback", body)
    assert (answer.status, answer.body) == (200, b"")
    assert first.ask("GET", BASE).json["_links"] == {}
    second.snapshot.follow()
    assert second.ask("GET", BASE).json["_links"] == {}
    third = gateway()
    assert third.ask("GET", BASE).json["_links"] == {}
    assert hub.events() == [
        {
            "execution": "closed",
            "finished": "success",
            "details": ["done"],
            "code": None,
            "progress": None,
            "terminal": True,
            "warning": "",
        }
    ]
    # An offer that failed after that may be repeated as a new one.
    hub.run("UPDATE fleet_event SET handled_ms = 1")
    hub.run("UPDATE fleet_offer SET state = 'failed', closed_ms = 1")
    again = hub.offer(1, 1)
    first.snapshot.follow()
    assert f"/{again}?" in first.ask("GET", BASE).json["_links"]["deploymentBase"]["href"]


def test_report_of_any_size_is_taken_and_its_end_found(hub: Hub, gateway: Start) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    chunk = b"x" * 100_000
    body = [b'{"id":7,"status":{"details":["', *[chunk] * 30, b'"],"execution":"closed",']
    body.append(b'"result":{"finished":"failure"}}}')
    answer = bench.ask("POST", f"{BASE}/deploymentBase/{offer}/feedback", body)
    assert answer.status == 200
    (event,) = hub.events()
    assert (event["execution"], event["finished"]) == ("closed", "failure")
    assert event["warning"] == "the report is longer than is read"
    assert len(json.dumps(event)) < 5_000


def test_endless_body_is_cut_off(hub: Hub, gateway: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_MOST_BYTES", 3 << 20)
    offer = hub.offer(hub.device(), hub.release())
    body = [b"x" * (1 << 20)] * 5
    answer = gateway().ask("POST", f"{BASE}/deploymentBase/{offer}/feedback", body)
    assert (answer.status, answer.headers[b"connection"]) == (413, b"close")


def test_body_that_never_ends_arriving_is_given_up(
    hub: Hub, gateway: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_TIMEOUT_S", 0.05)
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()

    async def never() -> Any:  # noqa: ANN401 - of ASGI
        await asyncio.sleep(60)

    sent: list[Any] = []

    async def send(message: Any) -> None:  # noqa: ANN401 - of ASGI
        sent.append(message)

    scope = {
        "type": "http",
        "scheme": "http",
        "method": "POST",
        "path": f"{BASE}/deploymentBase/{offer}/feedback",
        "query_string": b"",
        "headers": [(b"authorization", b"TargetToken a-token-of-32-letters-and-digits")],
    }
    asyncio.run(bench.app(scope, never, send))
    assert sent[0]["status"] == 408


def test_chatter_is_limited_but_never_the_end(hub: Hub, gateway: Start) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    bench.limit.__init__(clock=lambda: 0.0)
    address = f"{BASE}/deploymentBase/{offer}/feedback"

    async def chatter() -> list[Any]:
        body = report("proceeding", "none", "still here")
        return [await bench.ask_soon("POST", address, body) for _ in range(BURST + 3)]

    answers = asyncio.run(chatter())
    assert [answer.status for answer in answers] == [200] * BURST + [429] * 3
    assert int(answers[-1].headers[b"retry-after"]) >= 1
    assert bench.ask("PUT", f"{BASE}/configData", b'{"data":{}}').status == 429
    assert bench.ask("POST", address, report("closed", "success")).status == 200
    assert hub.events()[-1]["terminal"]


def test_saying_the_end_for_ever_does_not_fill_the_disk(hub: Hub, gateway: Start) -> None:
    offer = hub.offer(hub.device(), hub.release())
    bench = gateway()
    address = f"{BASE}/deploymentBase/{offer}/feedback"
    for _ in range(ENDS_MOST + 4):
        assert bench.ask("POST", address, report("closed", "failure")).status == 200
    assert len(hub.events()) == ENDS_MOST


def test_limit_gives_back_with_time_and_forgets_the_quiet() -> None:
    now = [0.0]
    limit = WriteLimit(burst=2, per_s=0.5, clock=lambda: now[0])
    assert [limit.take(1) for _ in range(3)] == [0, 0, 2]
    assert limit.take(2) == 0
    now[0] = 2.0
    assert [limit.take(1), limit.take(1)] == [0, 2]
    for device in range(10_002):
        limit.take(device)
    now[0] = 100.0
    limit.take(1)
    assert len(limit._buckets) == 1


def test_attributes_are_kept_and_not_asked_for_again(hub: Hub, gateway: Start) -> None:
    hub.device(wants_attributes=1)
    bench, other = gateway(), gateway()
    body = b'{"mode":"replace","data":{"holdfast.version":"1.1"},"id":"","status":{}}'
    answer = bench.ask("PUT", f"{BASE}/configData", body)
    assert (answer.status, answer.body) == (200, b"")
    assert hub.events("attributes") == [{"mode": "replace", "data": {"holdfast.version": "1.1"}}]
    other.snapshot.follow()
    for one in (bench, other):
        assert one.ask("GET", BASE).json["_links"] == {}
    assert bench.ask("PUT", f"{BASE}/configData", b"nonsense").status == 400
    assert bench.ask("PUT", f"{BASE}/configData", [b"x" * (1 << 20)] * 2).status == 413


def test_owner_address_is_an_event(hub: Hub, gateway: Start) -> None:
    hub.device()
    bench = gateway()
    body = b'{"address":"ada@example.org","action":"subscribe"}'
    assert bench.ask("POST", f"{BASE}/owner-address", body).status == 200
    assert hub.events("owner-address") == [{"address": "ada@example.org", "action": "subscribe"}]
    assert bench.ask("POST", f"{BASE}/owner-address", b"{}").status == 400


def test_many_devices_share_commits(hub: Hub, gateway: Start) -> None:
    release = hub.release()
    offers = {
        name: hub.offer(hub.device(name, token=name), release)
        for name in (f"many-{number}" for number in range(20))
    }
    bench = gateway()
    commits = []
    append = bench.store.append

    def counted(events: Any) -> None:  # noqa: ANN401 - of the store
        commits.append(len(events))
        append(events)

    bench.store.append = counted

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(
            *(
                bench.ask_soon(
                    "POST",
                    f"/DEFAULT/controller/v1/{name}/deploymentBase/{offer}/feedback",
                    report("closed", "success", name),
                    token=name,
                )
                for name, offer in offers.items()
            )
        )

    assert {answer.status for answer in asyncio.run(all_at_once())} == {200}
    assert sum(commits) == len(hub.events()) == 20
    assert len(commits) < 20


def test_one_device_does_only_so_much_at_a_time(hub: Hub, gateway: Start) -> None:
    device = hub.device()
    hub.device("dev-2", token="two")
    bench = gateway()
    bench.app._doing[device] = AT_ONCE_MOST
    assert bench.ask("PUT", f"{BASE}/configData", b'{"data":{}}').status == 429
    assert bench.ask("GET", BASE).status == 200
    other = "/DEFAULT/controller/v1/dev-2/configData"
    assert bench.ask("PUT", other, b'{"data":{}}', token="two").status == 200
    assert bench.app._doing == {device: AT_ONCE_MOST}
