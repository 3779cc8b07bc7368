"""The examples of docs/how-to/log-in-centrally.md can be used as they stand."""

import re
import tomllib
from pathlib import Path

import msgspec

from holdfast.accounts.directories.ldap import filters
from holdfast.accounts.directories.settings import CentralLogin, Ldap, of_plain
from tests.servers.authority import Authority

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "log-in-centrally.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("\n## LDAP\n")[2].partition("\n## ")[0]
PLACEHOLDER = re.compile(r"-----BEGIN.*?END CERTIFICATE-----\n", re.DOTALL)


def test_every_example_of_ldap_is_accepted() -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    authority = Authority().pem
    whole, *others = [tomllib.loads(PLACEHOLDER.sub(authority, block)) for block in blocks]

    settings = of_plain(whole["central_login"])

    assert isinstance(settings, CentralLogin)
    assert whole["central_login_secrets"].keys() == {settings.servers[0].name}
    assert len(others) == 3
    for other in others:
        # Shown alone: the table of the server before it is the one above on the page.
        ldap = msgspec.convert(other["central_login"]["servers"]["ldap"], type=Ldap)
        assert filters.has(filters.parse(ldap.user_filter), "name")
