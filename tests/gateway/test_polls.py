import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.gateway.errors import NotReadyError
from holdfast.gateway.exchange import host_of
from holdfast.gateway.store import Store

BASE = "/DEFAULT/controller/v1/dev-1"
URL = "http://gw.example:8001" + BASE

Hub = Any  # of conftest.py, which cannot be imported
Start = Callable[[], Any]


def test_idle_device_is_told_when_to_come_back(hub: Hub, gateway: Start) -> None:
    hub.device()
    answer = gateway().ask("GET", BASE)
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
    assert answer.json == {"config": {"polling": {"sleep": "00:05:00"}}, "_links": {}}


@pytest.mark.parametrize(
    ("poll_s", "sleep"), [(1, "00:00:01"), (0, "00:00:01"), (3661, "01:01:01"), (10**6, "23:59:59")]
)
def test_sleep_has_the_form_of_the_ddi(hub: Hub, gateway: Start, poll_s: int, sleep: str) -> None:
    hub.device(poll_s=poll_s)
    assert gateway().ask("GET", BASE).json["config"]["polling"]["sleep"] == sleep


def test_links_are_absolute_and_only_those_that_matter(hub: Hub, gateway: Start) -> None:
    device = hub.device(wants_attributes=1)
    old = hub.offer(device, hub.release("1.0"), state="confirmed", closed_ms=5)
    offer = hub.offer(device, hub.release("1.1"), revision=3)
    answer = gateway().ask("GET", BASE).json
    assert answer["_links"] == {
        "configData": {"href": f"{URL}/configData"},
        "deploymentBase": {"href": f"{URL}/deploymentBase/{offer}?c=3"},
        "installedBase": {"href": f"{URL}/installedBase/{old}"},
    }
    assert answer["config"]["polling"]["sleep"] == "00:00:30"


@pytest.mark.parametrize(
    ("state", "mode", "shown"),
    [
        ("offered", "attempt", True),
        ("retrieved", "forced", True),
        ("downloading", "attempt", True),
        ("downloaded", "attempt", True),
        ("deferred", "attempt", True),
        ("installed", "attempt", False),
        ("downloaded", "skip", False),
    ],
)
def test_offer_is_shown_while_the_device_has_work(
    hub: Hub, gateway: Start, state: str, mode: str, *, shown: bool
) -> None:
    hub.offer(hub.device(), hub.release(), state=state, mode=mode)
    assert ("deploymentBase" in gateway().ask("GET", BASE).json["_links"]) is shown


def test_strange_ids_are_found_and_linked(hub: Hub, gateway: Start) -> None:
    hub.device('Küche 1"<>%', token="other", wants_attributes=1)
    bench = gateway()
    link = bench.ask("GET", '/DEFAULT/controller/v1/Küche 1"<>%', token="other").json["_links"]
    assert link["configData"]["href"].endswith("/v1/K%C3%BCche%201%22%3C%3E%25/configData")


@pytest.mark.parametrize("host", ["evil.example/x", 'a"b', "a b", "", "x" * 300, "[::1", "a:b"])
def test_host_that_is_none_does_not_get_into_links(host: str) -> None:
    assert host_of({"scheme": "http", "headers": [(b"host", host.encode())]}) == ""


def test_unknown_id_and_wrong_token_get_the_same_answer(hub: Hub, gateway: Start) -> None:
    hub.device()
    hub.device("retired", retired_ms=4)
    hub.device("unusable", token_sha256="zz")
    hub.device("empty", token_sha256=hashlib.sha256(b"").hexdigest())
    bench = gateway()
    answers = [
        bench.ask("GET", BASE, token="wrong"),
        bench.ask("GET", BASE, token=None),
        bench.ask("GET", BASE, token=""),
        bench.ask("GET", BASE, token=None, headers={"Authorization": f"GatewayToken {'a' * 9}"}),
        bench.ask("GET", BASE, token=None, headers={"Authorization": "TargetToken"}),
        bench.ask("GET", "/DEFAULT/controller/v1/nobody"),
        bench.ask("GET", "/OTHER/controller/v1/dev-1"),
        bench.ask("GET", "/DEFAULT/controller/v1/retired"),
        bench.ask("GET", "/DEFAULT/controller/v1/unusable"),
        bench.ask("GET", "/DEFAULT/controller/v1/empty", token=""),
        bench.ask("GET", "/DEFAULT/controller/v1/nobody/deploymentBase/1"),
        bench.ask("GET", f"{BASE}/nonsense", token="wrong"),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1
    assert bench.journal.seen == {}


@pytest.mark.parametrize("form", ["TargetToken  {}", "targettoken {}", " TargetToken {} "])
def test_token_header_may_be_written_a_little_differently(
    hub: Hub, gateway: Start, form: str
) -> None:
    device = hub.device()
    bench = gateway()
    token = "a-token-of-32-letters-and-digits"
    headers = {"Authorization": form.format(token)}
    assert bench.ask("GET", BASE, token=None, headers=headers).status == 200
    assert list(bench.journal.seen) == [device]


def test_poll_touches_no_database(hub: Hub, gateway: Start) -> None:
    device = hub.device()
    hub.offer(device, hub.release())
    bench = gateway()
    bench.journal.stop()
    bench.store.close()
    hub.database.unlink()
    assert bench.ask("GET", BASE).status == 200
    bench.journal._reserve = None
    bench.journal.stop = lambda: None


def test_last_seen_is_written_and_never_goes_back(hub: Hub, gateway: Start) -> None:
    device = hub.device()
    bench = gateway()
    bench.ask("GET", BASE)
    bench.journal.stop()
    first = hub.value("SELECT at_ms FROM fleet_lastseen WHERE device_id = ?", device)
    assert first > 1_600_000_000_000
    bench.store.save_seen([(device, 5)])
    assert hub.value("SELECT at_ms FROM fleet_lastseen") == first
    bench.journal.stop = lambda: None


def test_change_feed_makes_every_answer_new(hub: Hub, gateway: Start) -> None:
    bench = gateway()
    assert bench.ask("GET", BASE).status == 401
    device = hub.device()
    assert bench.snapshot.follow() == 1
    assert bench.ask("GET", BASE).status == 200
    offer = hub.offer(device, hub.release())
    bench.snapshot.follow()
    assert "deploymentBase" in bench.ask("GET", BASE).json["_links"]
    hub.run("UPDATE fleet_offer SET closed_ms = 9, state = 'cancelled' WHERE id = ?", offer)
    hub.change(device)
    bench.snapshot.follow()
    assert bench.ask("GET", BASE).json["_links"] == {}
    hub.run("UPDATE fleet_device SET controller_id = 'renamed' WHERE id = ?", device)
    hub.change(device)
    bench.snapshot.follow()
    assert bench.ask("GET", BASE).status == 401
    assert bench.ask("GET", "/DEFAULT/controller/v1/renamed").status == 200
    hub.run("UPDATE fleet_device SET retired_ms = 9 WHERE id = ?", device)
    hub.change(device)
    bench.snapshot.follow()
    assert bench.ask("GET", "/DEFAULT/controller/v1/renamed").status == 401
    assert bench.snapshot.follow() == 0


def test_change_of_everything_and_a_pruned_feed_read_all_anew(hub: Hub, gateway: Start) -> None:
    device = hub.device()
    bench = gateway()
    hub.run("UPDATE products_product SET poll_s = 60")
    hub.change(None)
    bench.snapshot.follow()
    assert bench.ask("GET", BASE).json["config"]["polling"]["sleep"] == "00:01:00"
    hub.run("UPDATE products_product SET poll_s = 90")
    hub.change(device)
    hub.run("DELETE FROM fleet_change")
    hub.change(device)
    assert bench.snapshot.follow() == 1
    assert bench.ask("GET", BASE).json["config"]["polling"]["sleep"] == "00:01:30"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "", b"GET"),
        ("HEAD", "", b"GET"),
        ("GET", "/configData", b"PUT"),
        ("PUT", "/deploymentBase/1", b"GET"),
        ("DELETE", "/deploymentBase/1/feedback", b"POST"),
        ("POST", "/softwaremodules/1/artifacts/x", b"GET, HEAD"),
    ],
)
def test_wrong_method_is_named(
    hub: Hub, gateway: Start, method: str, path: str, allowed: bytes
) -> None:
    hub.device()
    answer = gateway().ask(method, BASE + path)
    assert (answer.status, answer.headers[b"allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "", "/x", f"{BASE}/", f"{BASE}/a/b/c/d/e", "/a" * 2000])
def test_no_such_address(hub: Hub, gateway: Start, path: str) -> None:
    hub.device()
    assert gateway().ask("GET", path).status in {401, 404, 414}


def test_health(gateway: Start) -> None:
    bench = gateway()
    assert bench.ask("GET", "/healthz", token=None).json == {"status": "ok"}
    bench.app._healthy = lambda: False
    assert bench.ask("GET", "/healthz", token=None).status == 503


def test_missing_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="no database"):
        Store(tmp_path / "none.sqlite3").must_be_ready()
    (tmp_path / "empty.sqlite3").touch()
    store = Store(tmp_path / "empty.sqlite3")
    with pytest.raises(NotReadyError, match="no table fleet_change"):
        store.wait_until_ready(timeout_s=0, stopped=lambda: False)
    store.close()


def test_answers_are_json_whatever_they_hold(hub: Hub, gateway: Start) -> None:
    hub.device(wants_attributes=1)
    for answer in (gateway().ask("GET", BASE), gateway().ask("GET", BASE, token="no")):
        assert msgspec.json.decode(answer.body)
