import hashlib
from collections.abc import Callable

import pytest

from holdfast.hub.fleet import queries, services
from holdfast.hub.fleet.errors import DeviceError, DeviceExistsError, OfferError
from holdfast.hub.fleet.models import Change, Device, Offer
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release
from holdfast.hub.staff.models import Entry

Releases = Callable[..., Release]


def test_a_token_is_shown_once_and_kept_as_digest(product: Product) -> None:
    token = services.register_device("ng-0001", product, "a", by="ada")
    device = Device.objects.get(controller_id="ng-0001")
    assert len(token) >= 43
    assert device.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert Change.objects.get().device_id == device.pk
    assert device.history.get().code == "device-registered"
    entry = Entry.objects.get(what="device.registered")
    assert entry.by == "ada"
    assert token not in entry.facts


@pytest.mark.parametrize(
    ("name", "hardware"),
    [("", "a"), ("x" * 65, "a"), ("a/b", "a"), ("a\nb", "a"), ("ok", "z"), ("ok", "")],
)
def test_nonsense_is_not_registered(product: Product, name: str, hardware: str) -> None:
    with pytest.raises(DeviceError):
        services.register_device(name, product, hardware, by="ada")


def test_a_name_is_registered_once(device: Device, product: Product) -> None:
    with pytest.raises(DeviceExistsError):
        services.register_device(device.controller_id, product, "a", by="ada")


def test_a_new_token_ends_the_old_one(device: Device) -> None:
    before = device.token_sha256
    token = services.new_token(device, by="ada")
    device.refresh_from_db()
    assert device.token_sha256 == services.digest(token) != before


def test_a_newer_offer_takes_the_place_of_the_older(device: Device, release: Releases) -> None:
    first, second = release("1.1"), release("1.2")
    assert services.offer(first, by="ada").offered == 1
    assert services.offer(second, by="ada").offered == 1
    older, newer = device.offers.order_by("pk")
    assert (older.state, older.reason_code) == ("cancelled", "superseded")
    assert older.closed_ms is not None
    assert (newer.state, newer.closed_ms) == ("offered", None)


@pytest.mark.parametrize(
    ("fields", "reported", "obstacle"),
    [
        ({"version": "1.1"}, "1.1", "not-newer"),
        ({"version": "1.1"}, "1.2", "not-newer"),
        ({"version": "1.9"}, "1.10", "not-newer"),
        ({"version": "1.1", "hardware": ["b"]}, "1.0", "other-hardware"),
    ],
)
def test_what_does_not_fit_is_not_offered(
    device: Device, release: Releases, fields: dict[str, object], reported: str, obstacle: str
) -> None:
    device.reported_version = reported
    device.save()
    outcome = services.offer(release(**fields), by="ada")
    assert (outcome.offered, outcome.left_out) == (0, {obstacle: 1})
    assert not device.offers.exists()


def test_a_rollback_can_be_offered_for_a_trial_only(device: Device, release: Releases) -> None:
    device.reported_version = "1.2"
    device.save()
    trial = services.offer(release("1.1"), by="ada", devices=[device], fitting_only=False)
    assert trial.offered == 1


def test_the_same_release_is_offered_once(device: Device, release: Releases) -> None:
    found = release()
    services.offer(found, by="ada")
    assert services.offer(found, by="ada").left_out == {"offered-already": 1}
    assert device.offers.count() == 1


def test_cancelling_closes_and_can_be_followed_by_a_new_offer(
    device: Device, release: Releases
) -> None:
    found = release()
    services.offer(found, by="ada")
    offer = device.offers.get()
    services.cancel(offer, by="ada", why="wrong notes")
    with pytest.raises(OfferError):
        services.cancel(offer, by="ada")
    assert services.offer(found, by="ada").offered == 1


def test_a_withdrawn_release_is_offered_no_more(device: Device, release: Releases) -> None:
    found = release()
    services.offer(found, by="ada")
    assert services.withdraw(found, by="ada", why="it breaks the clock") == 1
    assert device.offers.get().reason_code == "withdrawn"
    found.refresh_from_db()
    with pytest.raises(OfferError):
        services.offer(found, by="ada")


def test_a_retired_device_keeps_its_history_only(device: Device, release: Releases) -> None:
    found = release()
    services.offer(found, by="ada")
    services.retire(device, by="ada", why="scrapped")
    services.retire(device, by="ada")
    device.refresh_from_db()
    assert queries.why(device).code == "retired"
    assert services.offer(found, by="ada", devices=[device]).left_out == {"retired": 1}
    assert [line.code for line in queries.history(device)[0]].count("device-retired") == 1


def test_many_devices_are_one_line_in_the_change_feed(product: Product, release: Releases) -> None:
    Device.objects.bulk_create(
        Device(
            controller_id=f"d{n}", product=product, hardware="a", token_sha256="0" * 64,
            created_ms=1,
        )
        for n in range(1200)
    )  # fmt: skip
    assert services.offer(release(), by="ada").offered == 1200
    assert Offer.objects.filter(closed_ms=None).count() == 1200
    assert Change.objects.get().device_id is None
