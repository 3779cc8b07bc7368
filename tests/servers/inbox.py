"""A mail server that keeps what it is given, on a loopback port."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Inbox:
    """A mail server on a loopback port, and what it was told to do."""

    port: int = 0
    accepted: list[tuple[str, bytes]] = field(default_factory=list)
    rcpt_answer: str = ""
    data_answer: str = ""
    silent_s: float = 0.0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: object,
        session: object,
        envelope: Any,  # noqa: ANN401 - aiosmtpd is not typed
        address: str,
        options: object,
    ) -> str:
        del server, session, options
        if self.rcpt_answer:
            return self.rcpt_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self,
        server: object,
        session: object,
        envelope: Any,  # noqa: ANN401 - aiosmtpd is not typed
    ) -> str:
        del server, session
        if self.data_answer:
            return self.data_answer
        self.accepted.append((envelope.rcpt_tos[0], envelope.content))
        if self.silent_s:
            await asyncio.sleep(self.silent_s)
        return "250 taken"

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=default) for _to, content in self.accepted]


@contextmanager
def running(
    inbox: Inbox,
    *,
    port: int = 0,
    **options: Any,  # noqa: ANN401 - passed on to aiosmtpd
) -> Iterator[Inbox]:
    controller = Controller(inbox, hostname="127.0.0.1", port=port or free_port(), **options)
    controller.start()
    inbox.port = controller.port
    try:
        yield inbox
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
