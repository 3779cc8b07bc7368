"""A mail server."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.servers.inbox import Inbox, free_port, running


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with running(Inbox()) as found:
        yield found


@pytest.fixture
def smtp_server() -> Callable[..., Any]:
    return running


@pytest.fixture
def inbox_type() -> type[Inbox]:
    return Inbox


@pytest.fixture(name="free_port")
def a_free_port() -> int:
    return free_port()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen, and never say a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]
