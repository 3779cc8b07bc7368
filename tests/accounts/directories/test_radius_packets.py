"""What is sent, and what is believed of what comes."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directories.radius.packets import (
    MOST_BYTES,
    Code,
    Reply,
    Request,
    access_request,
    reply_of,
    status_request,
    vendor_attributes,
)
from holdfast.accounts.errors import RadiusReplyError
from tests.accounts.directories.radius_replies import MARK, encoded, reply_to, resealed

SECRET = b"xyzzy5461"
OTHER_SECRET = b"xyzzy5462"
ASKED = access_request(b"ada", b"secret", SECRET)
ATTRIBUTES = ((25, b"operators"), (26, bytes((0, 0, 0, 9, 1, 6)) + b"abcd"), (11, b"x"))


def fault_of(content: bytes, request: Request = ASKED, *, must_be_signed: bool = True) -> str:
    with pytest.raises(RadiusReplyError) as raised:
        reply_of(content, request, SECRET, must_be_signed=must_be_signed)
    assert "operators" not in str(raised.value)
    return raised.value.fault


def test_hidden_password_and_reply_of_rfc_2865_7_1() -> None:
    asked = bytes.fromhex(
        "010000380f403f9473978057bd83d5cb98f4227a01066e656d6f02120dbe708d93d413ce3196e43f782a0aee"
        "0406c0a80110050600000003"
    )
    answered = bytes.fromhex(
        "0200002686fe220e7624ba2a1005f6bf9b55e0b20606000000010f06000000000e06c0a80103"
    )
    request = Request(identifier=0, authenticator=asked[4:20], content=asked)
    reply = reply_of(answered, request, SECRET, must_be_signed=False)
    assert reply.code == Code.ACCESS_ACCEPT
    assert reply.attributes[0] == (6, bytes((0, 0, 0, 1)))
    assert fault_of(answered, request) == "unsigned"


def test_message_authenticator_of_rfc_5997_6_1() -> None:
    asked = bytes.fromhex(
        "0cda00268a54f4686fb394c52866e302185d062350125a665e2e1e8411f3e243822097c84fa3"
    )
    blank = asked[:-16] + bytes(16)
    assert hmac.digest(SECRET, blank, "md5") == asked[-16:]
    ours = status_request(SECRET)
    assert len(ours.content) == len(asked)
    assert ours.content[20:22] == asked[20:22]


def test_request_is_signed_first_and_hides_the_password() -> None:
    request = access_request("愛".encode(), b"a password of 20 by", SECRET, [(31, b"192.0.2.1")])
    content = request.content
    assert content[0] == Code.ACCESS_REQUEST
    assert int.from_bytes(content[2:4], "big") == len(content)
    assert content[4:20] == request.authenticator
    assert content[20:22] == bytes((MARK, 18))
    blank = content[:22] + bytes(16) + content[38:]
    assert hmac.digest(SECRET, blank, "md5") == content[22:38]
    assert content[38:43] == bytes((1, 5)) + "愛".encode()
    assert content[43:45] == bytes((2, 34))
    assert b"password" not in content
    assert content.endswith(encoded([(31, b"192.0.2.1")]))
    assert "password" not in repr(request)


def test_every_request_has_numbers_of_its_own() -> None:
    requests = [access_request(b"ada", b"same", SECRET) for _ in range(200)]
    assert len({one.authenticator for one in requests}) == 200
    assert len({one.content[45:61] for one in requests}) == 200
    assert len({one.identifier for one in requests}) > 50


@pytest.mark.parametrize("code", [2, 3, 11, 52])
@pytest.mark.parametrize("attributes", [(), ATTRIBUTES])
def test_good_reply_is_believed(code: int, attributes: tuple[tuple[int, bytes], ...]) -> None:
    content = reply_to(ASKED, SECRET, code=code, attributes=attributes)
    reply = reply_of(content + b"padding", ASKED, SECRET, must_be_signed=True)
    assert reply.code == code
    assert reply.attributes[:-1] == attributes


@pytest.mark.parametrize("code", [2, 3])
@pytest.mark.parametrize("must_be_signed", [True, False])
def test_no_flip_is_believed(code: int, *, must_be_signed: bool) -> None:
    content = reply_to(ASKED, SECRET, code=code, attributes=ATTRIBUTES)
    for at in range(len(content)):
        for mask in (1, 2, 3, 0x80, 0xFF):
            flipped = content[:at] + bytes((content[at] ^ mask,)) + content[at + 1 :]
            assert fault_of(flipped, must_be_signed=must_be_signed)


@pytest.mark.parametrize("code", [2, 3])
def test_forged_response_authenticator_helps_nobody(code: int) -> None:
    content = reply_to(ASKED, SECRET, code=code, attributes=ATTRIBUTES)
    for at in (0, *range(20, len(content))):
        flipped = bytearray(content)
        flipped[at] ^= 1
        assert fault_of(resealed(bytes(flipped), ASKED, SECRET)) in {
            "signature",
            "malformed",
            "unsigned",
        }


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(b"", "malformed", id="nothing"),
        pytest.param(b"\x02" * 19, "malformed", id="short"),
        pytest.param(bytes((2, 0, 0xFF, 0xFF)) + bytes(5000), "malformed", id="huge"),
        pytest.param(bytes((2, 0, 0, 19)) + bytes(16), "malformed", id="length 19"),
        pytest.param(reply_to(ASKED, SECRET, signed=False), "unsigned", id="unsigned"),
        pytest.param(reply_to(ASKED, OTHER_SECRET), "signature", id="other secret"),
        pytest.param(
            reply_to(access_request(b"ada", b"x", SECRET), SECRET)[:1]
            + bytes((ASKED.identifier,))
            + reply_to(access_request(b"ada", b"x", SECRET), SECRET)[2:],
            "signature",
            id="replayed under our identifier",
        ),
        pytest.param(
            reply_to(ASKED, SECRET, attributes=[(MARK, bytes(16))]), "signature", id="two marks"
        ),
        pytest.param(
            reply_to(ASKED, SECRET, attributes=[(MARK, b"")], signed=False),
            "signature",
            id="empty mark",
        ),
    ],
)
def test_bad_reply_is_not_believed(content: bytes, fault: str) -> None:
    assert fault_of(content) == fault


def test_second_mark_is_not_believed_beside_a_right_one() -> None:
    body = encoded([(MARK, bytes(16)), (MARK, bytes(16))])
    head = bytes((2, ASKED.identifier)) + (20 + len(body)).to_bytes(2, "big")
    right = hmac.digest(SECRET, head + ASKED.authenticator + body, "md5")
    for marks in ([right, bytes(16)], [right, right]):
        content = head + bytes(16) + encoded([(MARK, mark) for mark in marks])
        assert fault_of(resealed(content, ASKED, SECRET)) == "signature"


def test_answer_to_another_question_is_not_believed() -> None:
    other = Request(identifier=ASKED.identifier ^ 1, authenticator=ASKED.authenticator, content=b"")
    assert fault_of(reply_to(other, SECRET)) == "foreign"


@given(st.binary(max_size=MOST_BYTES))
def test_anything_is_read_or_refused(content: bytes) -> None:
    for start in (b"", bytes((2, ASKED.identifier)) + (20 + len(content)).to_bytes(2, "big")):
        with pytest.raises(RadiusReplyError):
            reply_of(start + bytes(16) + content, ASKED, SECRET, must_be_signed=False)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=253)), max_size=15))
def test_signed_attributes_come_back(attributes: list[tuple[int, bytes]]) -> None:
    ours = [one for one in attributes if one[0] != MARK]
    content = reply_to(ASKED, SECRET, attributes=ours)
    reply = reply_of(content, ASKED, SECRET, must_be_signed=True)
    assert isinstance(reply, Reply)
    assert list(reply.attributes[:-1]) == ours


@given(st.binary(max_size=300))
def test_signed_nonsense_is_refused_by_its_lengths(body: bytes) -> None:
    # Whoever knows the secret may write nonsense, too.
    head = bytes((2, ASKED.identifier)) + (20 + len(body)).to_bytes(2, "big")
    content = resealed(head + bytes(16) + body, ASKED, SECRET)
    try:
        reply = reply_of(content, ASKED, SECRET, must_be_signed=False)
    except RadiusReplyError as error:
        assert error.fault in {"malformed", "signature"}  # noqa: PT017 - one of two is right
    else:
        assert encoded(reply.attributes) == body


@given(st.binary(max_size=253))
def test_vendor_attributes_of_anything(value: bytes) -> None:
    for vendor, kind, inner in vendor_attributes(value):
        assert vendor == int.from_bytes(value[:4], "big")
        assert bytes((kind, len(inner) + 2)) + inner in value
