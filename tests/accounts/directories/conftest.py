"""Real directories for the tests of this folder."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.accounts.directories.site import PEOPLE, THEIRS, Known, Site
from tests.accounts.directories.tacacs.conftest import (
    KEY,
    Certificates,
    Line,
    certificates,
    tacquito_of,
    tacquito_program,
)
from tests.servers.freeradius import SECRET, FreeRadius, freeradius
from tests.servers.slapd import READER_PASSWORD, Slapd, running_slapd

__all__ = ["certificates", "slapd", "tacquito_of", "tacquito_program"]


@pytest.fixture(scope="session")
def slapd(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    """A real OpenLDAP server with people, groups and a good certificate."""
    with running_slapd(need, tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture(scope="session")
def radius(
    need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FreeRadius]:
    with freeradius(need("freeradius"), tmp_path_factory.mktemp("freeradius")) as running:
        yield running


@pytest.fixture
def site(slapd: Slapd, radius: FreeRadius, certificates: Certificates) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        lines = {each: Line(each, certificates, stack) for each in ("tls", "plain")}
        servers = {each: line.serve(people=PEOPLE) for each, line in lines.items()}
        known = {
            "ldap": Known(slapd.settings(nested="search"), READER_PASSWORD),
            "radius": Known(radius.over_udp(), SECRET),
            "radsec": Known(radius.over_tls(), "", radius.ours.key),
            "tacacs": Known(
                lines["tls"].settings(servers["tls"].port), "", certificates.client.key
            ),
            "tacacs-plain": Known(lines["plain"].settings(servers["plain"].port), KEY),
        }
        yield Site(known, servers["tls"], stack)


@pytest.fixture
def with_tacquito(
    site: Site, certificates: Certificates, tacquito_of: Callable[[Line], Any]
) -> Site:
    found = dict(site.known)
    for kind, transport in zip(THEIRS, ("tls", "plain"), strict=True):
        line = Line(transport, certificates, site.stack)
        people = {name: user for name, user in PEOPLE.items() if name.isascii()}
        settings = line.settings(tacquito_of(line)(people).port)
        found[kind] = replace(site.known["tacacs" if line.tls else "tacacs-plain"], server=settings)
    site.known = found
    return site
