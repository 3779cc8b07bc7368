"""What somebody on the way, or in the logs, gets to see."""

import time

import pytest

from holdfast.accounts.directories.answers import Accepted, Login, Step
from holdfast.accounts.directories.ldap import LdapDirectory
from tests.servers.fault_proxy import Fault, fault_proxy
from tests.servers.slapd import PASSWORDS, READER, READER_PASSWORD, Slapd

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("transport", ["tls", "starttls"])
def test_nobody_on_the_way_sees_a_name_or_a_password(slapd: Slapd, transport: str) -> None:
    with fault_proxy(slapd.port if transport == "starttls" else slapd.tls_port, Fault()) as proxy:
        server = slapd.settings(transport=transport, port=proxy.port)
        login = Login(name="ada", password=PASSWORDS["ada"])
        answer = LdapDirectory(server, READER_PASSWORD).authenticate(
            login, until=time.monotonic() + 5
        )
        seen = bytes(proxy.passed["server"] + proxy.passed["client"])

    assert isinstance(answer, Accepted)
    assert len(seen) > 1000
    for word in ("ada", PASSWORDS["ada"], READER, READER_PASSWORD, "staff"):
        assert word.encode() not in seen


def test_no_step_and_no_reason_tells_a_password(slapd: Slapd) -> None:
    steps: list[Step] = []
    for password, secret in (
        (PASSWORDS["ada"], READER_PASSWORD),
        ("not the password", READER_PASSWORD),
        (PASSWORDS["ada"], "not the secret"),
    ):
        directory = LdapDirectory(slapd.settings(), secret)
        login = Login(name="ada", password=password)
        answer = directory.test(login, until=time.monotonic() + 5, tell=steps.append)
        steps.append(Step(name="role", ok=None, told=repr((answer, directory, login))))

    told = " ".join(step.told for step in steps)
    for word in (PASSWORDS["ada"], "not the password", READER_PASSWORD, "not the secret"):
        assert word not in told
