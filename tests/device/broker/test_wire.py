"""Packets: one JSON object, strictly read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import BusyError
from holdfast.device.broker import wire
from holdfast.hardening.errors import MalformedCallError

GOOD = {"v": 1, "id": "7", "verb": "status", "args": {}}


def packet(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_request_survives_the_way() -> None:
    sent = wire.request_packet("7", "slot.install", {"version": "1.1"})
    assert wire.read_request(sent) == wire.Request(
        id="7", verb="slot.install", args={"version": "1.1"}
    )


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"status"',
        b"{",
        b"[" * 4096,
        b'{"a":' * 800,
        b"1" * 4096,
        b" " * 4097,
        packet()[:-1],
        packet() + b"x",
        packet() + b"\0",
        packet(v=2),
        packet(v=True),
        packet(v=1.0),
        packet(v="1"),
        packet(id=""),
        packet(id=7),
        packet(id="x" * 65),
        packet(id="\u00e9"),
        packet(id="a\nb"),
        packet(verb=None),
        packet(verb=["status"]),
        packet(args=[]),
        packet(args=None),
        packet(extra=1),
        b'{"v":1,"id":"7","verb":"status"}',
        b'{"v":1,"id":"7","verb":"status","verb":"reboot","args":{}}',
        b'{"v":1,"id":"7","verb":"status","args":{"a":1,"a":2}}',
        b'{"v":1,"id":"7","verb":"status","args":{"a":NaN}}',
        b'{"v":1,"id":"7","verb":"status","args":{"a":Infinity}}',
        packet().decode().encode("utf-16"),
        b"\xef\xbb\xbf" + packet(),
    ],
)
def test_other_shapes_are_refused(sent: bytes) -> None:
    with pytest.raises(MalformedCallError):
        wire.read_request(sent)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_and_nothing_else_happens(sent: bytes) -> None:
    with pytest.raises(MalformedCallError):
        wire.read_request(sent)


@given(st.integers(0, 200), st.integers(0, 255))
def test_changed_packets_are_read_or_refused(place: int, byte: int) -> None:
    sent = bytearray(packet(verb="slot.install", args={"version": "1.1"}))
    sent[place % len(sent)] = byte
    try:
        request = wire.read_request(bytes(sent))
    except MalformedCallError:
        return
    assert isinstance(request.verb, str)


def test_answer_that_is_too_long_becomes_an_error_that_fits() -> None:
    sent = wire.answer_packet("7", {"text": "x" * 5000})
    assert len(sent) <= wire.LONGEST_PACKET_BYTES
    assert json.loads(sent)["error"]["code"] == "verb-malformed"


def test_error_of_any_text_fits() -> None:
    error = BusyError("\U0001f4a3" * 3000)
    error.hint = "\u0007" * 3000
    assert len(wire.error_packet("7", error)) <= wire.LONGEST_PACKET_BYTES


def test_nobody_listening_is_said(tmp_path: Path) -> None:
    with pytest.raises(wire.UnreachableError, match=r"broker\.sock"):
        wire.call(tmp_path / "broker.sock", "status", {}, 1)
