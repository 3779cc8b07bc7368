"""How a finished mail leaves: through a mail server, or as a file.

What matters is to know, when something breaks, whether the server may have accepted the mail.
`smtplib.sendmail` does not tell, so the conversation is led here step by step.
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole
from holdfast.hub.config import HubConfig, SmtpConfig
from holdfast.hub.owners.addresses import checked
from holdfast.hub.owners.errors import (
    AddressError,
    LaterError,
    MailSettingsError,
    RefusedError,
    UnsureError,
)

TIMEOUT_S = 20.0
_GO_AHEAD = 354
_PERMANENT = 500
_ENHANCED = re.compile(rb"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_DOT_AT_START = re.compile(rb"^\.", re.MULTILINE)


class Post(Protocol):
    """Something that takes a finished mail.

    Attributes:
        sender: What stands in the From line.
        repeatable: Whether giving it the same mail twice still makes one mail.
    """

    @property
    def sender(self) -> str: ...  # noqa: D102 - see Attributes

    @property
    def repeatable(self) -> bool: ...  # noqa: D102 - see Attributes

    def deliver(self, message: EmailMessage, *, recipient: str, name: str) -> None:
        """Hand over one mail.

        Args:
            message: The whole mail.
            recipient: Where it goes.
            name: Name of the mail, always the same for the same mail, fit for a file name.

        Raises:
            LaterError: It surely did not leave; try again later.
            RefusedError: It surely did not leave and will not.
            UnsureError: It may have left.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPost:
    """Writes mails as files that any mail program opens.

    Attributes:
        folder: Where; made if it is missing.
        sender: A name that can never receive mail, since nobody configured one.
        repeatable: Yes: the same mail has the same file name.
    """

    folder: Path
    sender: str = "Holdfast <not-sent@holdfast.invalid>"
    repeatable: bool = True

    def deliver(self, message: EmailMessage, *, recipient: str, name: str) -> None:
        """Write the file, whole or not at all.

        Raises:
            LaterError: The folder cannot be written to.
        """
        del recipient
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{name}.eml", message.as_bytes(), mode=0o600)
        except OSError as error:
            raise LaterError(f"the mail folder cannot be written: {error.strerror}") from error
        except NoSpaceError as error:
            raise LaterError("there is no space left for the mail folder") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpPost:
    """Speaks to the configured mail server.

    Attributes:
        config: Its place and the login.
        greeting_name: Name under which the hub greets it.
        timeout_s: Seconds for which one answer is waited for.
        repeatable: No: every acceptance is another mail.
    """

    config: SmtpConfig
    greeting_name: str
    timeout_s: float = TIMEOUT_S
    repeatable: bool = False

    @property
    def sender(self) -> str:
        """The configured address."""
        return self.config.sender

    def deliver(self, message: EmailMessage, *, recipient: str, name: str) -> None:
        """Lead one conversation; see `Post.deliver` for what is raised when."""
        del name
        lines = message.as_bytes()
        content = _DOT_AT_START.sub(b"..", lines if lines.endswith(b"\r\n") else lines + b"\r\n")
        server = self._connected()
        try:
            self._introduce(server, recipient)
            self._hand_over(server, content)
        finally:
            # Its farewell changes nothing any more.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _connected(self) -> smtplib.SMTP:
        with _before_acceptance("the mail server cannot be reached"):
            server = smtplib.SMTP(
                self.config.host,
                self.config.port,
                local_hostname=self.greeting_name,
                timeout=self.timeout_s,
            )
        try:
            self._open_up(server)
        except BaseException:
            server.close()
            raise
        return server

    def _open_up(self, server: smtplib.SMTP) -> None:
        if self.config.starttls:
            with _before_acceptance("the mail server offers no trustworthy encryption (STARTTLS)"):
                server.starttls(context=ssl.create_default_context())
        with _before_acceptance("the mail server hung up"):
            server.ehlo_or_helo_if_needed()
        if self.config.user:
            with _before_acceptance("the mail server refused the login"):
                server.login(self.config.user, self._password())

    def _password(self) -> str:
        if self.config.password_file is None:
            return ""
        try:
            return self.config.password_file.read_text(encoding="utf-8").strip("\r\n")
        except OSError as error:
            raise LaterError(f"the password file cannot be read: {error.strerror}") from error

    def _introduce(self, server: smtplib.SMTP, recipient: str) -> None:
        with _before_acceptance("the mail server hung up"):
            code, answer = server.mail(bare_address(self.config.sender))
            _must_be(250, code, answer, "the sender")
            code, answer = server.rcpt(recipient)
        if code >= _PERMANENT:
            raise RefusedError(f"the mail server refused the recipient ({_named(code, answer)})")
        if code not in {250, 251}:
            raise LaterError(f"the recipient was put off ({_named(code, answer)})")
        with _before_acceptance("the mail server hung up"):
            code, answer = server.docmd("DATA")
        _accepted(_GO_AHEAD, code, answer)

    def _hand_over(self, server: smtplib.SMTP, content: bytes) -> None:
        with _before_acceptance("the connection broke in the middle of the mail"):
            server.send(content)
        # The line with the dot is what makes the server accept: from here on nobody knows.
        try:
            server.send(b".\r\n")
            code, answer = server.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise UnsureError(
                f"the mail server did not say whether it took the mail ({type(error).__name__})"
            ) from error
        _accepted(250, code, answer)


def bare_address(sender: str) -> str:
    """Take the address out of `Name <address>`.

    Raises:
        MailSettingsError: There is none in it.
    """
    inside = sender.strip()
    if inside.endswith(">"):
        inside = inside[:-1].rpartition("<")[2]
    try:
        return checked(inside)
    except AddressError as error:
        raise MailSettingsError(f"smtp.sender: {error}") from error


def post_of(config: HubConfig) -> Post | None:
    """Find out how mail leaves; None if hub.toml says nothing about it.

    Raises:
        MailSettingsError: What it says cannot work.
    """
    if config.smtp is not None:
        bare_address(config.smtp.sender)
        if any(mark in config.smtp.sender for mark in "\r\n"):
            raise MailSettingsError("smtp.sender: it must be one line")
        return SmtpPost(config=config.smtp, greeting_name=config.host)
    if config.mail_folder is not None:
        return FolderPost(folder=config.mail_folder)
    return None


@contextmanager
def _before_acceptance(what: str) -> Iterator[None]:
    """Whatever breaks in here, the mail was surely not accepted."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise LaterError(f"{what} ({_named(error.smtp_code, error.smtp_error)})") from error
    except (TimeoutError, socket.gaierror) as error:
        raise LaterError(f"{what} (no answer)") from error
    except (OSError, smtplib.SMTPException) as error:
        raise LaterError(f"{what} ({type(error).__name__})") from error


def _must_be(wanted: int, code: int, answer: bytes, what: str) -> None:
    """Refusals that concern our settings, not this mail: they are tried again."""
    if code != wanted:
        raise LaterError(f"the mail server refused {what} ({_named(code, answer)})")


def _accepted(wanted: int, code: int, answer: bytes) -> None:
    if code == wanted:
        return
    if code >= _PERMANENT:
        raise RefusedError(f"the mail server refused the mail ({_named(code, answer)})")
    raise LaterError(f"the mail server put the mail off ({_named(code, answer)})")


def _named(code: int, answer: bytes | str) -> str:
    """Give the numbers of an answer only: its text often repeats the address."""
    content = answer.encode(errors="replace") if isinstance(answer, str) else answer
    enhanced = _ENHANCED.match(content)
    return f"{code} {enhanced[1].decode()}" if enhanced else str(code)
