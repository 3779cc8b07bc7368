import re
from collections.abc import Callable

import pytest
from django.test import Client

from holdfast.hub.fleet import queries, services
from holdfast.hub.fleet.models import Device, LastSeen, Offer
from holdfast.hub.moments import DAY_MS, HOUR_MS, now_ms
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release

Releases = Callable[..., Release]


@pytest.fixture
def heard(device: Device) -> Device:
    """Let the device have called just now, running 1.0."""
    LastSeen.objects.create(device=device, at_ms=now_ms())
    device.reported_version = "1.0"
    device.save()
    return device


def with_offer(device: Device, release: Release, **fields: object) -> None:
    services.offer(release, by="ada", devices=[device])
    Offer.objects.filter(device=device, closed_ms=None).update(**fields)


def test_never_seen(device: Device) -> None:
    assert queries.why(device).code == "never-seen"


def test_not_seen_for_days(heard: Device) -> None:
    LastSeen.objects.update(at_ms=now_ms() - 3 * DAY_MS - HOUR_MS)
    answer = queries.why(heard)
    assert answer.code == "silent"
    assert "3 days" in answer.text
    assert "5 minutes" in answer.text


def test_nothing_newer(heard: Device, release: Releases) -> None:
    assert queries.why(heard).code == "no-release"
    release("1.0")
    release("1.2", hardware=["b"])
    release("1.3", withdrawn_ms=1)
    assert queries.why(heard).code == "up-to-date"
    release("1.1")
    assert queries.why(heard).code == "not-offered"


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"state": "offered"}, "offered", "next call"),
        ({"state": "retrieved"}, "retrieved", "not begun"),
        ({"state": "downloading"}, "downloading", "downloads"),
        ({"state": "deferred", "waits_until_ms": 4_000_000_000_000}, "deferred", "2096-10-02"),
        ({"state": "installed"}, "installed", "not reported that version yet"),
        (
            {"state": "refused", "closed_ms": 1, "reason_code": "update-foreign-key"},
            "refused",
            "signed by somebody other",
        ),
        (
            {"state": "failed", "closed_ms": 1, "reason_code": "update-unhealthy"},
            "fell-back",
            "fell back to 1.0",
        ),
        (
            {"state": "failed", "closed_ms": 1, "reason_code": "no-space", "reason": "3 MB left"},
            "failed",
            "too little free space on the device. (3 MB left)",
        ),
        ({"state": "failed", "closed_ms": 1}, "failed", "gave no reason"),
        (
            {"state": "cancelled", "closed_ms": 1, "reason_code": "cancelled"},
            "cancelled",
            "cancelled by the manufacturer",
        ),
    ],
)
def test_every_state_of_an_offer_is_an_answer(
    heard: Device, release: Releases, fields: dict[str, object], code: str, words: str
) -> None:
    with_offer(heard, release(), **fields)
    answer = queries.why(heard)
    assert answer.code == code
    assert words in answer.text
    assert any("1.0" in line for line in answer.evidence)


@pytest.mark.parametrize(("consent", "code"), [("automatic", "window"), ("ask", "waits-for-owner")])
def test_what_is_downloaded_waits_as_the_profile_says(
    heard: Device, release: Releases, product: Product, consent: str, code: str
) -> None:
    product.profile = re.sub('consent = "[a-z]+"', f'consent = "{consent}"', product.profile)
    assert f'"{consent}"' in product.profile
    product.save()
    heard.refresh_from_db()
    with_offer(heard, release(), state="downloaded")
    assert queries.why(heard).code == code


def test_a_device_that_runs_what_failed_once_is_fine(heard: Device, release: Releases) -> None:
    with_offer(heard, release(), state="failed", closed_ms=1)
    heard.reported_version = "1.1"
    heard.save()
    assert queries.why(heard).code == "up-to-date"


def test_registering_shows_the_token_once(staff_client: Client, product: Product) -> None:
    wrong = {"controller_id": "ng-1", "product": product.pk, "hardware": "z"}
    answer = staff_client.post("/devices/register/", wrong)
    assert answer.status_code == 422
    assert b"no hardware revision z" in answer.content
    answer = staff_client.post("/devices/register/", wrong | {"hardware": "a"})
    assert answer.status_code == 201
    found = re.search(rb'<code class="secret">([^<]+)<', answer.content)
    assert found is not None
    device = Device.objects.get()
    assert services.digest(found[1].decode()) == device.token_sha256
    assert found[1] not in staff_client.get(f"/devices/{device.pk}/").content
    assert staff_client.post("/devices/register/", wrong | {"hardware": "a"}).status_code == 422


def test_the_list_goes_on_from_name_to_name(staff_client: Client, product: Product) -> None:
    Device.objects.bulk_create(
        Device(
            controller_id=f"d{n:03}",
            product=product,
            hardware="a",
            token_sha256="0" * 64,
            created_ms=1,
        )
        for n in range(120)
    )
    seen: list[str] = []
    path = "/devices/?search=d"
    while path:
        content = staff_client.get(path).content.decode()
        seen += re.findall(r">(d\d{3})</a>", content)
        found = re.search(r'href="(\?after=[^"]+)"', content)
        path = "/devices/" + found[1].replace("&amp;", "&") if found else ""
    assert seen == [f"d{n:03}" for n in range(120)]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("standing=never-seen", 1),
        ("standing=failed", 0),
        ("product=home-gateway", 1),
        ("search=NG", 1),
        ("search=%00", 0),
        ("search=x", 0),
    ],
)
def test_the_list_can_be_narrowed(
    staff_client: Client, device: Device, query: str, number: int
) -> None:
    content = staff_client.get(f"/devices/?{query}").content.decode()
    if query == "search=%00":  # refused, and everything is shown
        assert "Null characters" in content
        return
    assert content.count(f">{device.controller_id}</a>") == number


def test_the_page_of_a_device_tells_all_and_escapes_it(
    staff_client: Client, heard: Device, release: Releases
) -> None:
    heard.attributes = {"<b>x</b>": "<script>alert(1)</script>"}
    heard.save()
    with_offer(heard, release(), state="refused", closed_ms=1, reason="<i>no</i>")
    content = staff_client.get(f"/devices/{heard.pk}/").content.decode()
    assert "It refused release 1.1." in content
    assert "Registered by ada." in content
    assert "<script>" not in content
    assert "<i>no" not in content
    assert staff_client.get(f"/devices/{heard.pk}/?before=x").status_code == 200
    assert staff_client.get("/devices/999/").status_code == 404


def test_offering_cancelling_retiring(
    staff_client: Client, heard: Device, release: Releases
) -> None:
    fits, older = release("1.1"), release("0.9")
    staff_client.post(f"/devices/{heard.pk}/offer/", {"release": older.pk})
    assert not heard.offers.exists()
    staff_client.post(f"/devices/{heard.pk}/offer/", {"release": fits.pk})
    offer = heard.offers.get()
    assert staff_client.post(f"/offers/{offer.pk}/cancel/").status_code == 302
    assert staff_client.post(f"/offers/{offer.pk}/cancel/").status_code == 409
    assert staff_client.post(f"/devices/{heard.pk}/token/").status_code == 201
    staff_client.post(f"/devices/{heard.pk}/retire/")
    assert staff_client.post(f"/devices/{heard.pk}/token/").status_code == 422
    content = staff_client.get("/trail/").content.decode()
    for words in ("was offered", "was cancelled", "got a new token", "was retired"):
        assert words in content


@pytest.mark.parametrize("path", ["/devices/", "/devices/1/", "/devices/register/", "/mails/"])
def test_nobody_but_staff_sees_devices(client: Client, path: str) -> None:
    assert client.get(path).status_code == 302
