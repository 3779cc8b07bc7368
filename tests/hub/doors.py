"""What several tests of the hub's doors do."""

import re
from typing import TYPE_CHECKING, cast

from django.test import Client

if TYPE_CHECKING:
    from django.http import HttpResponse

REAL_HASHERS = [
    "holdfast.hub.staff.hashers.KeyedHasher",
    "holdfast.hub.staff.hashers.Argon2idHasher",
]


def token_in(page: str) -> str:
    """Find the CSRF token of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found, page
    return found[1]


def fill_in(client: Client, path: str, **fields: str) -> "HttpResponse":
    """Load a form as a browser does, and send it with its CSRF token."""
    page = client.get(path)
    sent = {**fields, "csrfmiddlewaretoken": token_in(page.content.decode())}
    return cast("HttpResponse", client.post(path, sent))


def prove(client: Client) -> None:
    """Let a session look as if its member of staff had logged in a moment ago."""
    from holdfast.hub.moments import now_ms  # noqa: PLC0415 - after Django has started

    session = client.session
    session.update({name: now_ms() for name in ("born_ms", "seen_ms", "proved_ms")})
    session.save()
