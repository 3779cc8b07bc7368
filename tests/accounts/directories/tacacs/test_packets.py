"""The codec on its own: what a hostile or confused server may send never becomes a yes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.accounts.directories.tacacs import bodies
from holdfast.accounts.directories.tacacs.bodies import Noted, Permission, Status, Way
from holdfast.accounts.directories.tacacs.packets import (
    HEADER_BYTES,
    MOST_BYTES,
    Flags,
    Header,
    Kind,
    PacketError,
    header_of,
    obfuscated,
)
from holdfast.accounts.directories.tacacs.words import UnfitError, claims_of, octets, source_of

ASKED = Header(
    kind=Kind.AUTHENTICATION, minor=1, sequence=1, flags=Flags(0), session=0x01020304, length=20
)
FEW = settings(max_examples=40, deadline=None)  # tests of seconds would be slow ones
headers = st.builds(
    Header,
    kind=st.sampled_from(Kind),
    minor=st.integers(0, 15),
    sequence=st.integers(1, 255),
    flags=st.sampled_from([Flags(0), Flags.UNENCRYPTED]),
    session=st.integers(0, 2**32 - 1),
    length=st.integers(0, 2**32 - 1),
)


def test_a_header_octet_by_octet() -> None:
    assert ASKED.pack().hex() == "c1010100" + "01020304" + "00000014"


@FEW
@given(headers, headers)
def test_only_the_answer_is_an_answer(asked: Header, reply: Header) -> None:
    fits = (
        reply.kind == asked.kind
        and reply.session == asked.session
        and reply.sequence == asked.sequence + 1
        and 0 < reply.length <= MOST_BYTES
    )
    if fits:
        assert header_of(reply.pack(), asked=asked) == reply
    else:
        with pytest.raises(PacketError):
            header_of(reply.pack(), asked=asked)


@FEW
@given(headers.filter(lambda asked: asked.sequence < 255), st.integers(1, MOST_BYTES))
def test_the_answer_is_read(asked: Header, length: int) -> None:
    reply = Header(
        kind=asked.kind,
        minor=asked.minor,
        sequence=asked.sequence + 1,
        flags=asked.flags,
        session=asked.session,
        length=length,
    )
    assert header_of(reply.pack(), asked=asked) == reply


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": Kind.ACCOUNTING}, "foreign"),
        ({"session": 0x01020305}, "foreign"),
        ({"sequence": 1}, "foreign"),
        ({"sequence": 4}, "foreign"),
        ({"length": MOST_BYTES + 1}, "foreign"),
        ({"length": 2**32 - 1}, "foreign"),
        ({"length": 0}, "error"),
    ],
)
def test_what_is_no_answer(changes: dict[str, Any], fault: str) -> None:
    answer = replace(ASKED, sequence=2)
    assert header_of(answer.pack(), asked=ASKED) == answer
    with pytest.raises(PacketError) as caught:
        header_of(replace(answer, **changes).pack(), asked=ASKED)
    assert caught.value.fault == fault


@pytest.mark.parametrize("version", [0x00, 0x01, 0xB1, 0xD1, 0xFF])
def test_another_major_version_is_foreign(version: int) -> None:
    content = bytes((version,)) + replace(ASKED, sequence=2).pack()[1:]
    with pytest.raises(PacketError, match="something else"):
        header_of(content, asked=ASKED)


@FEW
@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_any_header(content: bytes) -> None:
    try:
        read = header_of(content, asked=ASKED)
    except PacketError:
        return
    assert (read.kind, read.session, read.sequence) == (ASKED.kind, ASKED.session, 2)


@FEW
@given(st.binary(max_size=100), st.binary(min_size=1, max_size=40), headers)
def test_obfuscation_undoes_itself(body: bytes, secret: bytes, header: Header) -> None:
    once = obfuscated(body, header, secret)
    assert len(once) == len(body)
    assert obfuscated(once, header, secret) == body


def test_obfuscation_octet_by_octet() -> None:
    """Source: RFC 8907 4.5, worked out with `printf | md5sum`."""
    pad = obfuscated(bytes(20), ASKED, b"secret")
    assert pad.hex() == "900ebf8c924b1bc215d45c440f560bd8b719b38a"


@FEW
@given(st.binary(max_size=400))
def test_any_body_of_a_login(body: bytes) -> None:
    try:
        status = bodies.login_reply(body)
    except PacketError:
        return
    texts = int.from_bytes(body[2:4]) + int.from_bytes(body[4:6])
    assert (status, len(body)) == (body[0], 6 + texts)


@FEW
@given(
    st.integers(0, 255),
    st.lists(st.binary(max_size=255), max_size=8),
    st.binary(max_size=20),
    st.integers(-2, 2),
)
def test_any_body_of_a_permission(
    status: int, arguments: list[bytes], message: bytes, wrong_by: int
) -> None:
    lengths = (len(message) + wrong_by) % 65536
    body = bytes((status, len(arguments))) + lengths.to_bytes(2) + bytes(2)
    body += bytes(map(len, arguments)) + message + b"".join(arguments)
    if wrong_by == 0 and status in list(Permission):
        assert bodies.permission_reply(body) == (status, tuple(arguments))
    else:
        with pytest.raises(PacketError):
            bodies.permission_reply(body)


@FEW
@given(st.binary(max_size=300))
def test_any_bytes_for_a_permission(body: bytes) -> None:
    try:
        _, arguments = bodies.permission_reply(body)
    except PacketError:
        return
    assert sum(map(len, arguments)) <= len(body)


@FEW
@given(st.binary(max_size=40))
def test_any_body_of_accounting(body: bytes) -> None:
    try:
        noted = bodies.noted_reply(body)
    except PacketError:
        return
    texts = int.from_bytes(body[0:2]) + int.from_bytes(body[2:4])
    assert (noted, len(body)) == (body[4], 5 + texts)


@pytest.mark.parametrize(
    "body",
    [b"", bytes(4), bytes(4) + b"\1x", b"\0\1\0\0\1", b"\0\0\0\1\1", b"\0\1\0\1\1xy_"],
)
def test_accounting_must_add_up(body: bytes) -> None:
    assert bodies.noted_reply(b"\0\1\0\1\1xy") is Noted.SUCCESS
    with pytest.raises(PacketError):
        bodies.noted_reply(body)


@FEW
@given(
    st.binary(min_size=16, max_size=40),
    st.binary(min_size=16, max_size=40),
    st.sampled_from([Status.PASS, Status.FAIL, Status.ERROR]),
    st.binary(max_size=60),
    st.integers(0, 2**32 - 1),
)
def test_another_secret_makes_no_answer(
    theirs: bytes, ours: bytes, status: Status, message: bytes, session: int
) -> None:
    body = bytes((status, 0)) + len(message).to_bytes(2) + bytes(2) + message
    header = Header(
        kind=Kind.AUTHENTICATION,
        minor=1,
        sequence=2,
        flags=Flags(0),
        session=session,
        length=len(body),
    )
    seen = obfuscated(obfuscated(body, header, theirs), header, ours)
    if theirs == ours:
        assert bodies.login_reply(seen) is status
    else:
        with pytest.raises(PacketError):
            bodies.login_reply(seen)


# --- text --------------------------------------------------------------------------------------


@FEW
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    try:
        content = octets("name", text)
    except UnfitError:
        return
    assert 0 < len(content) <= 255
    assert content.decode() == text
    assert min(content) >= 32
    assert bodies.start(Way.PAP, content, b"", content)[4] == len(content)


@pytest.mark.parametrize(
    ("text", "content"),
    [("192.0.2.7", b"192.0.2.7"), ("2001:db8::7", b"2001:db8::7"), ("", b""), ("ü", b"")]
    + [(text, b"") for text in ("a\n", "\ud800", "1" * 256)],
)
def test_source(text: str, content: bytes) -> None:
    assert source_of(text) == content


arguments = st.one_of(
    st.binary(max_size=255),
    st.from_regex(rb"(priv-lvl|PRIV-LVL|acl|team)[=*][0-9]{0,3}", fullmatch=True),
)


@FEW
@given(st.lists(arguments, max_size=10))
def test_any_arguments(given_arguments: list[bytes]) -> None:
    try:
        claims = claims_of(given_arguments, understood=("team",))
    except UnfitError:
        return
    levels = [claim for claim in claims if claim.kind == "level"]
    assert len(levels) <= 1
    for level in levels:
        named = [
            a[9:] for a in given_arguments if a.lower().startswith((b"priv-lvl=", b"priv-lvl*"))
        ]
        assert int(level.value) == min(int(n) for n in named if n.isdigit() and int(n) <= 15)
