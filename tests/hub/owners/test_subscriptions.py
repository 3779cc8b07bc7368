import re
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from django.test import Client

from holdfast.hub.fleet import services as fleet
from holdfast.hub.fleet.models import Device
from holdfast.hub.owners import jobs, services
from holdfast.hub.owners.addresses import checked
from holdfast.hub.owners.errors import AddressError
from holdfast.hub.owners.models import Mail, Subscription
from holdfast.hub.products.models import Product
from holdfast.hub.releases.models import Release

Releases = Callable[..., Release]
DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ada@example.org", "ada@example.org"),
        (" Ada+gate@Example.ORG ", "Ada+gate@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_kept_as_mail_servers_read_it(given: str, kept: str) -> None:
    assert checked(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        None, 7, "", "@", "ada", "ada@", "@example.org", "ada@localhost", "ada@10.0.0.1",
        "ada@[10.0.0.1]", "a@b@example.org", "ada @example.org", "ada@example.org\nBcc: x@y.org",
        "ada@example.org\r\nBcc: x@y.org", "ada@exam\x00ple.org", "ada@example..org", "ada@-x.org",
        "ada\u202e@example.org", '"a b"@example.org', "ada,eve@example.org", "<ada@example.org>",
        "ada@example.org>", f"{'a' * 65}@example.org", f"ada@{'a' * 64}.org",
        f"ada@{'.'.join(['a' * 60] * 5)}.org", "ü@example.org", "x" * 100_000,
        # What a mail program reads as another recipient, or as a line of its own.
        "=?utf-8?q?eve=40example.com=2C?=@example.org", "=?utf-8?q?a=0D=0ABcc:x?=@example.org",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(given: object) -> None:
    with pytest.raises(AddressError):
        checked(given)


class Folder:
    """The mails that were written as files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def texts(self) -> list[str]:
        found = []
        for path in sorted(self.path.glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=default)
            part = message.get_body(("plain",))
            assert part is not None
            found.append(str(part.get_content()))
        return found


def send_all() -> None:
    for mail in Mail.objects.filter(state="queued").order_by("pk"):
        jobs.send.call(mail.pk)


def path_in(text: str, kind: str) -> str:
    found = re.search(rf"https?://[^/]+(/o/{kind}/\S+)", text)
    assert found is not None
    return found[1]


@pytest.fixture
def folder(mail_folder: Path) -> Folder:
    return Folder(mail_folder)


@pytest.fixture
def pending(device: Device) -> Subscription:
    services.hear(device.pk, action="subscribe", address="ada@example.org")
    return Subscription.objects.get()


@pytest.fixture
def active(pending: Subscription, folder: Folder) -> Subscription:
    send_all()
    services.confirm(path_in(folder.texts()[-1], "c").rpartition("/")[2])
    pending.refresh_from_db()
    assert pending.state == "active"
    return pending


def test_only_the_button_confirms(pending: Subscription, folder: Folder, client: Client) -> None:
    send_all()
    path = path_in(folder.texts()[0], "c")
    for _scanner in range(3):
        answer = client.get(path)
        assert answer.status_code == 200
        assert b"Nordlicht Gateway" in answer.content
    pending.refresh_from_db()
    assert pending.state == "pending"
    for _twice in range(2):
        assert client.post(path).status_code == 200
    pending.refresh_from_db()
    assert pending.state == "active"
    assert not client.cookies


def test_a_link_that_is_none_leads_nowhere(pending: Subscription, client: Client) -> None:
    for path in ("/o/c/", "/o/u/"):
        assert client.get(f"{path}x").status_code == 404
        assert client.post(f"{path}x").status_code == 404
    assert pending.state == "pending"


def test_a_link_is_good_for_a_week(pending: Subscription, folder: Folder, client: Client) -> None:
    send_all()
    path = path_in(folder.texts()[0], "c")
    pending.refresh_from_db()
    pending.created_ms -= 8 * DAY_MS
    pending.save()
    assert client.post(path).status_code == 404
    assert services.forget_unconfirmed() == 1
    pending.refresh_from_db()
    assert (pending.state, pending.address) == ("gone", "")


def test_one_click_ends_all_mail(
    active: Subscription, folder: Folder, client: Client, release: Releases
) -> None:
    fleet.offer(release(), by="ada")
    send_all()
    text = folder.texts()[-1]
    path = path_in(text, "u")
    assert client.get(path).status_code == 200
    active.refresh_from_db()
    assert active.state == "active"
    answer = client.post(
        path, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 200
    assert client.post(path).status_code == 200
    active.refresh_from_db()
    assert (active.state, active.address) == ("gone", "")


def test_one_mail_per_release_and_address(
    active: Subscription, product: Product, release: Releases, folder: Folder
) -> None:
    fleet.register_device("ng-0002", product, "a", by="ada")
    second = Device.objects.get(controller_id="ng-0002")
    Subscription.objects.create(
        device=second, address="ADA@example.org", address_key=active.address_key, state="active",
        created_ms=1,
    )  # fmt: skip
    found = release()
    fleet.offer(found, by="ada")
    assert services.announce(found.pk) == 0
    fleet.cancel(active.device.offers.get(), by="ada")
    fleet.offer(found, by="ada")
    assert Mail.objects.filter(kind="release").count() == 1
    send_all()
    send_all()
    assert len([text for text in folder.texts() if "1.1" in text]) == 1


@pytest.mark.usefixtures("pending")
def test_whoever_confirms_later_is_told_of_the_open_offer(
    folder: Folder, release: Releases
) -> None:
    fleet.offer(release(), by="ada")
    assert not Mail.objects.filter(kind="release").exists()
    send_all()
    services.confirm(path_in(folder.texts()[0], "c").rpartition("/")[2])
    assert Mail.objects.filter(kind="release").count() == 1


@pytest.mark.usefixtures("active")
def test_the_mail_says_what_how_serious_what_to_do_and_until_when(
    folder: Folder, release: Releases
) -> None:
    fleet.offer(release(), by="ada")
    send_all()
    text = folder.texts()[-1]
    for words in (
        "There is an update for your Nordlicht Gateway: version 1.1.",
        "Serious: somebody could take over the device.",
        "no longer shows the password",
        "CVE-2026-1234",
        "Install now",
        "You can put it off until",
        "/o/u/",
    ):
        assert words in text


def test_a_device_cannot_flood_strangers(device: Device, product: Product) -> None:
    for number in range(20):
        services.hear(device.pk, action="subscribe", address=f"stranger{number}@example.org")
    assert Mail.objects.count() == 3
    fleet.register_device("ng-0002", product, "a", by="ada")
    other = Device.objects.get(controller_id="ng-0002")
    for address in ("stranger0@example.org", "STRANGER0@example.org", "stranger0@EXAMPLE.org"):
        services.hear(other.pk, action="subscribe", address=address)
    assert Mail.objects.count() == 3
    codes = list(device.history.values_list("parameters__code", flat=True))
    assert codes.count("owner-too-many-mails") == 17


def test_a_strangers_address_does_not_stop_the_owners_mail(
    active: Subscription, device: Device
) -> None:
    services.hear(device.pk, action="subscribe", address="eve@example.org")
    active.refresh_from_db()
    assert active.state == "active"
    services.hear(device.pk, action="unsubscribe", address=None)
    active.refresh_from_db()
    assert active.state == "gone"
    assert not device.subscriptions.exclude(state="gone").exists()


@pytest.mark.parametrize("action", ["", "drop", "subscribe"])
def test_nonsense_is_noted_not_raised(device: Device, action: str) -> None:
    services.hear(device.pk, action=action, address="a\n@b")
    line = device.history.order_by("-pk")[0]
    assert line.code in {"owner-unclear", "owner-refused"}


def test_a_withdrawn_release_is_not_announced(
    active: Subscription, folder: Folder, release: Releases
) -> None:
    found = release()
    fleet.offer(found, by="ada")
    fleet.withdraw(found, by="ada", why="wrong")
    before = len(folder.texts())
    send_all()
    assert len(folder.texts()) == before
    assert active.mails.get(kind="release").state == "failed"


@pytest.mark.usefixtures("active")
def test_hostile_words_do_not_become_headers(
    folder: Folder, release: Releases, product: Product
) -> None:
    product.name = "Gate\r\nBcc: eve@example.org\r\n\r\n<script>"
    product.save()
    fleet.offer(release(notes="<b>bold</b>\r\n.\r\nMAIL FROM:<x@y>"), by="ada")
    send_all()
    newest = max(folder.path.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    content = newest.read_bytes()
    assert b"\nBcc:" not in content.partition(b"\r\n\r\n")[0]
    page = message_from_bytes(content, policy=default).get_body(("html",))
    assert page is not None
    assert "<script>" not in str(page)
    assert "<b>bold</b>" not in page.get_content()
    assert "&lt;b&gt;bold" in page.get_content()


def test_staff_see_states_and_never_addresses(
    active: Subscription, staff_client: Client, release: Releases
) -> None:
    fleet.offer(release(), by="ada")
    Mail.objects.filter(kind="release").update(state="unknown", reason="the hub stopped")
    answer = staff_client.get("/mails/?state=unknown")
    assert answer.status_code == 200
    assert b"perhaps sent" in answer.content
    assert b"the hub stopped" in answer.content
    assert active.address.encode() not in answer.content


def test_addresses_are_in_no_log(
    device: Device, folder: Folder, capfd: pytest.CaptureFixture[str], release: Releases
) -> None:
    services.hear(device.pk, action="subscribe", address="ada@example.org")
    services.hear(device.pk, action="subscribe", address="ada@example.org")
    send_all()
    fleet.offer(release(), by="ada")
    out, err = capfd.readouterr()
    assert len(folder.texts()) == 1
    assert "mail.ended" in out + err
    assert "example.org" not in out + err


def test_a_mail_whose_owner_left_is_not_sent(
    pending: Subscription, device: Device, folder: Folder
) -> None:
    mail: Mail = pending.mails.get()
    services.hear(device.pk, action="unsubscribe", address="")
    send_all()
    mail.refresh_from_db()
    assert (mail.state, mail.reason) == ("failed", "unsubscribed")
    assert folder.texts() == []
