"""Products: profiles come in whole or not at all, and the home page stays honest."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from holdfast.hub.products import services
from holdfast.hub.products.models import Product
from holdfast.hub.releases import queries as release_queries
from holdfast.hub.releases.models import Release
from holdfast.hub.staff import overview
from holdfast.hub.staff.models import Entry
from holdfast.product import ProfileError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
GATEWAY = (EXAMPLES / "home-gateway/product.toml").read_bytes()
Maker = Any
Machine = Any


def upload(client: Client, content: bytes) -> Any:  # noqa: ANN401 - the test client's answer
    return client.post("/products/+add/", {"profile": SimpleUploadedFile("x.toml", content)})


def states(view: overview.ProductView) -> list[str]:
    return [each.state for each in view.recommendations]


def test_a_profile_makes_a_product(staff_client: Client) -> None:
    answer = upload(staff_client, GATEWAY)
    assert answer.headers["Location"] == "/products/home-gateway/"
    product = Product.objects.get()
    assert (product.vendor, product.poll_s) == ("Nordlicht Home", 300)
    assert product.profile.encode() == GATEWAY
    page = staff_client.get("/products/home-gateway/").content.decode()
    assert "NG-200" in page
    assert Entry.objects.get(what="product.added").by == "ada"


def test_every_fault_of_a_profile_is_shown_at_once(staff_client: Client) -> None:
    broken = GATEWAY.replace(b'vendor = "', b'vendro = "').replace(b"format = 1", b"format = 2")
    answer = upload(staff_client, broken)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "did you mean vendor?" in page
    assert "format" in page
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"x" * (3 << 19), b"[" * 5000, b"<script>alert(1)</script>"]
)
def test_nonsense_is_no_profile(staff_client: Client, content: bytes) -> None:
    answer = upload(staff_client, content)
    assert answer.status_code == 422
    assert b"<script>" not in answer.content
    assert not Product.objects.exists()


def test_the_same_profile_again_changes_nothing(product: Product) -> None:
    services.take_profile(GATEWAY, by="bob")
    assert Entry.objects.count() == 1
    services.take_profile(GATEWAY + b"\n# newer\n", by="bob")
    assert Entry.objects.latest("seq").what == "product.changed"
    with pytest.raises(ProfileError):
        services.take_profile(b"", by="bob")
    product.refresh_from_db()
    assert product.profile.endswith("# newer\n")


def test_a_declaration_alone_is_never_green(product: Product) -> None:
    assert states(overview.product(product)) == ["unknown"] * 5


def test_a_signed_release_is_known_and_the_rest_stays_unknown(
    machine: Machine, maker: Maker
) -> None:
    machine.publish(maker, "1.1")
    view = overview.product(Product.objects.get())
    assert states(view) == ["unknown"] * 5
    facts = view.recommendations[2].facts
    assert [fact.text for fact in facts if fact.state == "good"] == [
        "Version 1.1 is signed by 2 keys; 2 are needed."
    ]
    assert any("was not offered" in fact.text for fact in facts if fact.state == "unknown")


def test_lists_that_expire_are_warned_of_early(machine: Machine, maker: Maker) -> None:
    machine.publish(maker, "1.1")
    now = datetime.now(tz=UTC)
    by_age = {
        days: {role.role: role.state for role in release_queries.roles(now + timedelta(days=days))}
        for days in (0, 2, 4, 320, 400)
    }
    assert set(by_age[0].values()) == {"good"}
    assert by_age[2]["timestamp"] == "attention"
    assert by_age[4]["timestamp"] == "bad"
    assert (by_age[320]["targets"], by_age[320]["home-gateway"]) == ("attention", "attention")
    assert (by_age[400]["targets"], by_age[400]["root"]) == ("bad", "good")


def test_a_damaged_list_is_not_shown_as_fine(
    machine: Machine, maker: Maker, settings_repository: Path
) -> None:
    machine.publish(maker, "1.1")
    (listed,) = (settings_repository / "metadata").glob("*.home-gateway.json")
    listed.write_bytes(listed.read_bytes().replace(b'"1.1"', b'"1.2"'))
    role = release_queries.role_of("home-gateway", datetime.now(tz=UTC))
    assert role is not None
    assert role.state == "bad"
    assert states(overview.product(Product.objects.get()))[2] == "bad"


@pytest.fixture
def settings_repository(db: Path) -> Path:
    return db / "repository"


def test_a_profile_that_was_not_signed_is_noticed(machine: Machine, maker: Maker) -> None:
    machine.publish(maker, "1.1")
    services.take_profile(GATEWAY + b"\n# newer\n", by="ada")
    view = overview.product(Product.objects.get())
    assert view.recommendations[2].state == "attention"


def test_offering_and_withdrawing_by_page(
    staff_client: Client, machine: Machine, maker: Maker
) -> None:
    machine.publish(maker, "1.1")
    release = Release.objects.get()
    page = staff_client.get(f"/releases/{release.pk}/").content.decode()
    for words in ("not given yet", "2 of 2 keys signed, 2 needed", "never goes below 1.0"):
        assert words in page
    staff_client.post(f"/releases/{release.pk}/offer/")
    without_reason = staff_client.post(f"/releases/{release.pk}/withdraw/", {"why": " "})
    assert without_reason.status_code == 422
    staff_client.post(f"/releases/{release.pk}/withdraw/", {"why": "It drains the battery."})
    release.refresh_from_db()
    assert release.withdrawn_ms is not None
    assert Entry.objects.get(what="release.withdrawn").why == "It drains the battery."
    offered = staff_client.post(f"/releases/{release.pk}/offer/")
    assert offered.status_code == 409
    assert "withdrawn" in offered.content.decode()


def test_pages_of_things_that_are_not_there(staff_client: Client) -> None:
    for path in ("/products/nothing/", "/releases/7/", "/releases/7/offer/"):
        assert staff_client.get(path).status_code in {404, 405}
    assert staff_client.post("/releases/7/withdraw/", {"why": "x"}).status_code == 404
