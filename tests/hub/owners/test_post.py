"""Delivery to a real mail server on a loopback port."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.hub.config import HubConfig, SmtpConfig
from holdfast.hub.fleet.models import Device
from holdfast.hub.owners import delivery, services
from holdfast.hub.owners.errors import MailSettingsError
from holdfast.hub.owners.models import Mail
from holdfast.hub.owners.post import SmtpPost, post_of

pytestmark = pytest.mark.servers

Server = Callable[..., Any]
Inbox: TypeAlias = Any  # the class of that name in conftest.py, which no test can import
Said: TypeAlias = Any  # what aiosmtpd passes on, without types


def post_to(port: int, *, timeout_s: float = 5, **more: Any) -> SmtpPost:  # noqa: ANN401 - settings
    known: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "sender": "Nordlicht <updates@nordlicht.example>",
        "starttls": False,
    }
    return SmtpPost(
        config=SmtpConfig(**(known | more)), greeting_name="hub.example", timeout_s=timeout_s
    )


@pytest.fixture
def mail(device: Device) -> Mail:
    services.hear(device.pk, action="subscribe", address="ada@bücher.example")
    return Mail.objects.get()


class Waits:
    """What was queued again."""

    def __init__(self) -> None:
        self.waits: list[timedelta] = []

    def __call__(self, mail: Mail, wait: timedelta) -> None:
        del mail
        self.waits.append(wait)


def attempt(mail: Mail, post: SmtpPost) -> tuple[str, str, int]:
    waits = Waits()
    delivery.attempt(mail.pk, post, again=waits)
    mail.refresh_from_db()
    return mail.state, mail.reason, len(waits.waits)


def test_a_mail_arrives_whole(mail: Mail, inbox: Inbox) -> None:
    assert attempt(mail, post_to(inbox.port)) == ("sent", "", 0)
    ((recipient, content),) = inbox.accepted
    assert recipient == "ada@xn--bcher-kva.example"
    message = inbox.mails[0]
    assert message["From"] == "Nordlicht <updates@nordlicht.example>"
    assert message["To"] == "ada@xn--bcher-kva.example"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert b"\r\nList-Unsubscribe: <http://127.0.0.1:8000/o/u/" in content
    assert message["Message-ID"].endswith("@nordlicht.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "text/html",
    ]
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert attempt(mail, post_to(inbox.port)) == ("sent", "", 0)
    assert len(inbox.accepted) == 1


def test_a_line_of_one_dot_does_not_end_the_mail(mail: Mail, inbox: Inbox) -> None:
    product = mail.subscription.device.product
    product.vendor = ".\r\n.\r\n..x"
    product.save()
    assert attempt(mail, post_to(inbox.port))[0] == "sent"
    part = inbox.mails[0].get_body(("plain",))
    assert part.get_content().rstrip().endswith("\r\n.\r\n.\r\n..x")


def test_a_refused_recipient_is_not_asked_again(mail: Mail, inbox: Inbox) -> None:
    inbox.rcpt_answer = "550 5.1.1 <ada@xn--bcher-kva.example> unknown"
    state, reason, waits = attempt(mail, post_to(inbox.port))
    assert (state, waits) == ("failed", 0)
    assert reason == "the mail server refused the recipient (550 5.1.1)"


@pytest.mark.parametrize("where", ["rcpt_answer", "data_answer"])
def test_a_mail_that_is_put_off_comes_later(mail: Mail, inbox: Inbox, where: str) -> None:
    setattr(inbox, where, "451 4.7.1 greylisted, come back")
    state, reason, waits = attempt(mail, post_to(inbox.port))
    assert (state, waits) == ("queued", 1)
    assert "451 4.7.1" in reason
    setattr(inbox, where, "")
    assert attempt(mail, post_to(inbox.port)) == ("sent", "", 0)
    assert len(inbox.accepted) == 1


def test_a_refused_mail_is_not_sent_again(mail: Mail, inbox: Inbox) -> None:
    inbox.data_answer = "554 5.7.1 we do not like it"
    assert attempt(mail, post_to(inbox.port))[0] == "failed"


def test_a_server_that_is_down_is_tried_until_it_is_up(
    mail: Mail, smtp_server: Server, free_port: int, inbox_type: Callable[[], Inbox]
) -> None:
    for _attempt in range(3):
        state, reason, waits = attempt(mail, post_to(free_port))
        assert (state, waits) == ("queued", 1)
        assert "cannot be reached" in reason
    with smtp_server(inbox_type(), port=free_port) as inbox:
        assert attempt(mail, post_to(free_port))[0] == "sent"
        assert len(inbox.accepted) == 1


def test_a_mail_is_given_up_after_days(mail: Mail, free_port: int) -> None:
    Mail.objects.filter(pk=mail.pk).update(attempts=len(delivery.WAITS))
    state, reason, waits = attempt(mail, post_to(free_port))
    assert (state, waits) == ("failed", 0)
    assert reason.startswith("given up after")


def test_silence_after_the_whole_mail_is_never_tried_again(mail: Mail, inbox: Inbox) -> None:
    inbox.silent_s = 30
    state, reason, waits = attempt(mail, post_to(inbox.port, timeout_s=0.5))
    assert (state, waits) == ("unknown", 0)
    assert "did not say" in reason
    inbox.silent_s = 0
    assert attempt(mail, post_to(inbox.port))[0] == "unknown"
    assert len(inbox.accepted) == 1


def test_a_server_that_says_nothing_is_left_after_the_time(mail: Mail, silent_port: int) -> None:
    state, reason, waits = attempt(mail, post_to(silent_port, timeout_s=0.3))
    assert (state, waits) == ("queued", 1)
    assert "cannot be reached" in reason


def test_without_encryption_nothing_is_said(mail: Mail, inbox: Inbox) -> None:
    state, reason, _waits = attempt(mail, post_to(inbox.port, starttls=True))
    assert state == "queued"
    assert "STARTTLS" in reason
    assert inbox.accepted == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Give a file with the key and certificate of a server at 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(tz=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_encryption_and_login(
    mail: Mail,
    smtp_server: Server,
    inbox_type: Callable[[], Inbox],
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    trusted: bool,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    seen: list[LoginPassword] = []

    def login(*said: Said) -> AuthResult:
        seen.append(said[-1])
        return AuthResult(success=said[-1].password == b"correct horse")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    options = {"tls_context": context, "authenticator": login, "auth_required": True}
    with smtp_server(inbox_type(), require_starttls=True, **options) as inbox:
        post = post_to(inbox.port, starttls=True, user="hub", password_file=password)
        state, reason, _waits = attempt(mail, post)
        if not trusted:
            assert state == "queued"
            assert "trustworthy" in reason
            assert seen == []
            return
        assert (state, reason) == ("sent", "")
        assert len(inbox.accepted) == 1
        assert seen[0].login == b"hub"


@pytest.mark.parametrize("sender", ["", "nobody", "a@b.org\nBcc: x@y.org", "A <a@b.org>\n"])
def test_a_sender_must_be_configured(sender: str) -> None:
    config = HubConfig(smtp=SmtpConfig(host="127.0.0.1", sender=sender))
    with pytest.raises(MailSettingsError):
        post_of(config)


def test_after_a_crash_nobody_knows(mail: Mail, inbox: Inbox) -> None:
    Mail.objects.update(state="handed-over")
    queued: list[Mail] = []
    assert delivery.recover(repeatable=False, queue=queued.append) == 1
    assert queued == []
    assert attempt(mail, post_to(inbox.port))[0] == "unknown"
    assert inbox.accepted == []
