"""Debian's SWUpdate, unmodified, as a device of our hub."""

import os
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.servers, pytest.mark.slow]

# Of conftest.py, which cannot be imported.
Hub = Any
Device = Any
Serve = Any
Offer = Any
Maker = Any
Proxy = Any
Until = Any
TOKEN = "a-token-of-32-letters-and-digits"


@pytest.fixture
def offered(hub: Hub) -> Callable[[bytes], int]:
    """Registers the device and offers it a release with this image."""

    def offer(image: bytes) -> int:
        device = hub.device(wants_attributes=1, poll_s=1)
        found: int = hub.offer(device, hub.release("1.1", [("os-1.1.swu", image)]))
        return found

    return offer


def ends(hub: Hub) -> list[Any]:
    return [one for one in hub.events("feedback") if one["terminal"]]


def test_deployment_from_offer_to_confirmation(
    hub: Hub, offered: Offer, serve: Serve, maker: Maker, swupdate: Device, until: Until
) -> None:
    payload = os.urandom(3 << 20)
    offer = offered(maker.image("good", payload, swupdate.target).read_bytes())
    server = serve()
    swupdate.start(server.url, TOKEN)
    until(swupdate.target.exists, timeout_s=40)
    until(lambda: any("All Chunks Installed." in str(one["details"]) for one in hub.events()))
    assert swupdate.target.read_bytes() == payload
    assert ends(hub) == []
    assert {one["execution"] for one in hub.events()} == {"proceeding"}
    assert hub.events("attributes")[0]["data"]["board"] == "test"
    assert hub.value("SELECT count(*) FROM fleet_event WHERE kind = 'retrieved'") == 1
    assert hub.events("artifact") == [{"filename": "os-1.1.swu"}]
    swupdate.stop()
    # The device has restarted into the new software and says that it is to be tested.
    swupdate.start(server.url, TOKEN, "-c", "2")
    (end,) = until(lambda: ends(hub), timeout_s=30)
    assert (end["execution"], end["finished"]) == ("closed", "success")
    assert hub.value("SELECT offer_id FROM fleet_event WHERE kind='feedback'") == offer
    seen = until(lambda: hub.rows("SELECT at_ms FROM fleet_lastseen"))
    assert seen[0][0] > 0


def test_cut_download_is_resumed(
    offered: Offer,
    serve: Serve,
    maker: Maker,
    swupdate: Device,
    cutting_proxy: Proxy,
    until: Until,
) -> None:
    payload = os.urandom(3 << 20)
    offered(maker.image("good", payload, swupdate.target).read_bytes())
    proxy = cutting_proxy(serve().port)
    proxy.cut_after_bytes = [1 << 20, 1 << 20]
    swupdate.start(f"http://127.0.0.1:{proxy.port}", TOKEN)
    until(swupdate.target.exists, timeout_s=60)
    assert swupdate.target.read_bytes() == payload
    assert proxy.cuts == 2
    assert any(b"range: bytes=" in asked.lower() for asked in proxy.asked)


def test_tampered_image_is_refused(
    hub: Hub, offered: Offer, serve: Serve, maker: Maker, swupdate: Device, until: Until
) -> None:
    payload = os.urandom(1 << 20)
    image = bytearray(maker.image("good", payload, swupdate.target).read_bytes())
    image[len(image) // 2] ^= 1
    offered(bytes(image))
    server = serve()
    swupdate.start(server.url, TOKEN)
    (end,) = until(lambda: ends(hub), timeout_s=40)
    assert (end["execution"], end["finished"]) == ("closed", "failure")
    assert not swupdate.target.exists()
    # The offer is hidden at once, so the device does not try the same for ever.
    before = len(hub.events())
    until(lambda: swupdate.log.count("No pending action") >= 2 or None, timeout_s=20)
    assert len(hub.events()) == before


def test_wrong_token_gets_nothing(
    hub: Hub, offered: Offer, serve: Serve, maker: Maker, swupdate: Device, until: Until
) -> None:
    offered(maker.image("good", b"x", swupdate.target).read_bytes())
    swupdate.start(serve().url, "wrong-token")
    until(lambda: "401" in swupdate.log or "403" in swupdate.log or "denied" in swupdate.log)
    assert not swupdate.target.exists()
    assert hub.rows("SELECT 1 FROM fleet_event") == []
