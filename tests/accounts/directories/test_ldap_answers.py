"""Answers that no real server gives, or none that runs here: scripted, inside real TLS."""

import time
import tracemalloc

import pytest

from holdfast.accounts.directories.answers import Accepted, Answer, Login, Rejected, Unavailable
from holdfast.accounts.directories.ldap import LdapDirectory, messages
from holdfast.accounts.directories.ldap.ber import ENUMERATED, OCTETS, SEQUENCE, SET, number, wrap
from holdfast.accounts.directories.ldap.talk import Talk
from holdfast.accounts.directories.reach import context_of
from holdfast.accounts.directories.settings import Ldap, Server
from holdfast.accounts.errors import ReachError
from tests.servers.authority import Authority
from tests.servers.scripted import ENDLESS, scripted

pytestmark = pytest.mark.servers

AUTHORITY = Authority()
SEARCHING = Ldap(base="dc=x", bind_dn="cn=reader", group_filter="")
ACTIVE_DIRECTORY = Ldap(
    base="dc=x",
    direct_dn="{name}@example.test",
    user_filter="(userPrincipalName={name}@example.test)",
    name_attribute="sAMAccountName",
    nested="ad",
)


def told(identity: int, tag: int, content: bytes) -> bytes:
    return messages.message(identity, wrap(tag, content))


def ended(code: int, words: bytes = b"", *more: bytes) -> bytes:
    return b"".join((number(code, ENUMERATED), wrap(OCTETS), wrap(OCTETS, words), *more))


def found(dn: bytes, name: bytes = b"", value: bytes = b"") -> bytes:
    pair = wrap(SEQUENCE, wrap(OCTETS, name), wrap(SET, wrap(OCTETS, value))) if name else b""
    return wrap(OCTETS, dn) + wrap(SEQUENCE, pair)


BOUND = told(1, messages.BOUND, ended(0))


def asked(
    answers: list[bytes], ldap: Ldap = SEARCHING, *, patience_s: int = 1
) -> tuple[Answer, list[bytes]]:
    began = time.monotonic()
    with scripted(AUTHORITY, answers) as running:
        server = Server(
            name="d", protocol="ldap", host="127.0.0.1", port=running.port, ca=AUTHORITY.pem,
            timeout_s=patience_s, ldap=ldap,
        )  # fmt: skip
        directory = LdapDirectory(server, "secret of the reader")
        answer = directory.authenticate(
            Login(name="ada", password="word"), until=began + patience_s
        )
        assert time.monotonic() - began < patience_s + 0.1
        return answer, running.asked


@pytest.mark.parametrize(
    ("answers", "step", "why"),
    [
        ([b"\x00" * 100], "bind", "not LDAP"),
        ([b"\x30\x80" + b"\0" * 50], "bind", "a length"),
        ([b"\x30\x84\x7f\xff\xff\xff", ENDLESS], "bind", "larger than 4 MiB"),
        ([b"\x30\x03\x02\x01\x01"], "bind", "cut off"),
        ([b"\x30\x84\x00\x10\x00\x00ab"], "bind", "in time"),
        ([told(2, messages.BOUND, ended(0))], "bind", "belongs to nothing"),
        ([told(0, messages.EXTENDED_ANSWER, ended(52))], "bind", "ends the conversation"),
        ([told(1, messages.SEARCHED, ended(0))], "bind", "another answer"),
        ([told(1, messages.BOUND, b"")], "bind", "cut off"),
        ([told(1, messages.BOUND, ended(51, b"busy"))], "bind", "result 51: busy"),
        ([told(1, messages.BOUND, ended(8))], "bind", "result 8"),
        ([told(1, messages.BOUND, ended(49, b"..., data 775, v1"))], "bind", "locked"),
        ([BOUND, told(2, messages.SEARCHED, ended(3))], "search", "too long"),
        ([BOUND, told(2, messages.BOUND, ended(0))], "search", "another answer"),
        ([BOUND, told(2, messages.ENTRY, found(b"dc=x")), ENDLESS], "search", "more entries"),
        ([BOUND, told(2, messages.ELSEWHERE, wrap(OCTETS, b"ldap://x")), ENDLESS], "search", ""),
        ([BOUND, told(2, messages.ENTRY, b"\x04\x05ab")], "search", "cut off"),
        (
            [BOUND, told(2, messages.ENTRY, found(b"")) + told(2, messages.SEARCHED, ended(0))],
            "search",
            "is not text",
        ),
    ],
)
def test_nothing_to_rely_on_is_unavailable(answers: list[bytes], step: str, why: str) -> None:
    answer, _ = asked(answers)

    assert isinstance(answer, Unavailable)
    assert answer.step == step
    assert why in answer.reason


@pytest.mark.slow
def test_an_endless_answer_ends_early_and_needs_little_memory() -> None:
    reference = told(2, messages.ELSEWHERE, wrap(OCTETS, b"x" * 60_000))
    tracemalloc.start()
    answer, _ = asked([BOUND, reference, ENDLESS], patience_s=10)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert isinstance(answer, Unavailable)
    assert "the answers are too large" in answer.reason
    assert most < 8 * 1024 * 1024


def test_a_bind_that_refers_elsewhere_is_not_followed() -> None:
    direct = Ldap(base="dc=x", direct_dn="uid={name},dc=x")

    answer, _ = asked([told(1, messages.BOUND, ended(10))], direct)

    assert isinstance(answer, Unavailable)
    assert "not followed" in answer.reason


@pytest.mark.parametrize("words", ["data 52e", "data 532", "data 773", "data 775"])
def test_words_of_active_directory_are_told(words: str) -> None:
    answer, _ = asked([told(1, messages.BOUND, ended(49, words.encode()))], ACTIVE_DIRECTORY)

    assert isinstance(answer, Rejected)
    assert "data" not in answer.reason


def test_active_directory_is_asked_who_was_bound_and_which_groups_follow() -> None:
    answer, questions = asked(
        [
            BOUND,
            told(2, messages.EXTENDED_ANSWER, ended(0, b"", wrap(0x8B, b"u:EXAMPLE\\alovelace"))),
            told(3, messages.ENTRY, found(b"CN=Ada,DC=x", b"sAMAccountName", b"ALovelace"))
            + told(3, messages.SEARCHED, ended(0)),
            told(4, messages.ENTRY, found(b"CN=Admins,DC=x", b"cn", b"Admins"))
            + told(4, messages.SEARCHED, ended(0)),
        ],
        ACTIVE_DIRECTORY,
    )

    assert isinstance(answer, Accepted)
    assert answer.name == "ALovelace"
    assert [claim.value for claim in answer.claims] == ["CN=Admins,DC=x", "Admins"]
    assert b"ada@example.test" in questions[0]
    assert b"1.3.6.1.4.1.4203.1.11.3" in questions[1]
    # Who is searched is who was bound, not who has the typed name as account name.
    assert b"sAMAccountName\x04\talovelace" in questions[2]
    assert b"userPrincipalName\x04\x10ada@example.test" in questions[2]
    assert b"1.2.840.113556.1.4.1941" in questions[3]
    assert b"CN=Ada,DC=x" in questions[3]


MINE = b"\x01\x05mine"
NO_SUCH_REQUEST = told(2, messages.EXTENDED_ANSWER, ended(2))
TOKENS = told(3, messages.ENTRY, found(b"", b"tokenGroups", MINE)) + told(
    3, messages.SEARCHED, ended(0)
)


@pytest.mark.parametrize(
    ("identity", "accepted"), [(MINE, True), (b"\x01\x05another's", False), (b"", False)]
)
def test_where_only_identities_are_told_they_decide(identity: bytes, *, accepted: bool) -> None:
    # Samba knows no "who am I". Somebody may have ada@example.test for his own long name, while
    # another one has ada for an account name.
    answer, questions = asked(
        [
            BOUND,
            NO_SUCH_REQUEST,
            TOKENS,
            told(4, messages.ENTRY, found(b"CN=Ada,DC=x", b"objectSid", identity))
            + told(4, messages.SEARCHED, ended(0)),
            told(5, messages.SEARCHED, ended(0)),
        ],
        ACTIVE_DIRECTORY,
    )

    assert isinstance(answer, Accepted if accepted else Rejected)
    assert b"tokenGroups" in questions[2]


@pytest.mark.parametrize("code", [0, 32, 50])
def test_where_nothing_is_told_of_who_was_bound_nobody_is_accepted(code: int) -> None:
    answer, _ = asked(
        [BOUND, NO_SUCH_REQUEST, told(3, messages.SEARCHED, ended(code))], ACTIVE_DIRECTORY
    )

    assert isinstance(answer, Unavailable)
    assert "does not tell who was bound" in answer.reason


def test_who_was_bound_but_fits_no_filter_is_refused() -> None:
    answer, _ = asked(
        [
            BOUND,
            told(2, messages.EXTENDED_ANSWER, ended(0, b"", wrap(0x8B, b"u:EXAMPLE\\eve"))),
            told(3, messages.SEARCHED, ended(0)),
        ],
        ACTIVE_DIRECTORY,
    )

    assert isinstance(answer, Rejected)
    assert "not exactly one entry" in answer.reason


def test_a_name_of_another_domain_is_not_bound() -> None:
    with scripted(AUTHORITY, [BOUND]) as running:
        server = Server(
            name="d", protocol="ldap", host="127.0.0.1", port=running.port, ca=AUTHORITY.pem,
            ldap=ACTIVE_DIRECTORY,
        )  # fmt: skip
        login = Login(name="ada@other.test", password="word")
        answer = LdapDirectory(server, "").authenticate(login, until=time.monotonic() + 1)

    assert isinstance(answer, Rejected)
    assert "another domain" in answer.reason
    assert not any(b"other.test" in question for question in running.asked)


@pytest.mark.parametrize("identity", [b"", b"dn:", b"u:", b"eve", b"u:\xff", b"u:A\\B\\eve"])
def test_who_is_not_named_clearly_is_nobody(identity: bytes) -> None:
    answer, _ = asked(
        [BOUND, told(2, messages.EXTENDED_ANSWER, ended(0, b"", wrap(0x8B, identity)))],
        ACTIVE_DIRECTORY,
    )

    assert isinstance(answer, Unavailable)
    assert "does not tell who was bound" in answer.reason


def test_an_empty_password_is_not_even_sent_by_who_forgets_to_refuse_it() -> None:
    until = time.monotonic() + 1
    with scripted(AUTHORITY, [BOUND]) as running:
        server = Server(
            name="d", protocol="ldap", host="127.0.0.1", port=running.port, ca=AUTHORITY.pem,
            ldap=SEARCHING,
        )  # fmt: skip
        with (
            Talk(server, context_of(server, None), until=until) as talk,
            pytest.raises(ReachError, match="never sent"),
        ):
            talk.bind("cn=x", "", step="bind")

    assert not any(question.startswith(b"\x60", 5) for question in running.asked)
