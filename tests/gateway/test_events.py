import json

import pytest

from holdfast.gateway import events
from holdfast.gateway.events import UnreadableError, read_attributes, read_feedback


def report(execution: str, finished: str, details: object = (), **more: object) -> bytes:
    status = {"execution": execution, "result": {"finished": finished}, "details": details} | more
    return json.dumps({"id": "7", "time": "20260101T000000", "status": status}).encode()


def test_a_plain_report_of_rauc_hawkbit_updater() -> None:
    body = b"""{"id":"7","time":"20261122T101112","status":{"result":{"finished":"none",
        "progress":{"cnt":2,"of":5}},"execution":"proceeding","details":["30% Copying image"]}}"""
    found = read_feedback(body, cut=False)
    assert (found.execution, found.finished, found.progress) == ("proceeding", "none", (2, 5))
    assert found.details == ("30% Copying image",)
    assert not found.terminal
    assert found.warning == ""


def test_id_as_number_and_raw_control_characters_of_swupdate() -> None:
    body = (
        b'{"id": 7, "status": {"execution": "closed", "result": {"finished": "failure"},'
        b' "details": ["\x1b[31mERROR\x07 corelib\ttab", "broken \xff\xfe bytes"]}}'
    )
    found = read_feedback(body, cut=False)
    assert (found.execution, found.finished) == ("closed", "failure")
    assert found.terminal
    assert found.details == (" [31mERROR  corelib tab", "broken �� bytes")


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 100, 5000])
def test_details_are_cut_and_the_coded_reason_is_kept(count: int) -> None:
    lines = [f"line {number}" for number in range(count)]
    if count > 60:
        lines[count // 2 + 3] = "[update-tampered] The downloaded file is not the one."
    found = read_feedback(report("closed", "failure", lines), cut=False)
    assert len(found.details) == min(count, events.DETAILS_MOST)
    assert found.terminal
    if count > 60:
        assert any(line.startswith("[update-tampered]") for line in found.details)
        assert found.details[0] == "line 0"
        assert found.details[-1] == f"line {count - 1}"
        assert found.warning == f"{count - events.DETAILS_MOST} lines were left out"


def test_long_lines_are_cut() -> None:
    found = read_feedback(report("closed", "success", ["x" * 500_000]), cut=False)
    assert len(found.details[0]) == events.DETAIL_CHARACTERS + 2
    assert found.terminal


def test_text_that_turns_around_its_reader_is_made_plain() -> None:
    found = read_feedback(report("proceeding", "none", ["a\u202eb\u2066c\x00d\ud800e"]), cut=False)
    assert found.details == ("a b c d e",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"7",
        b'"closed"',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"status":7}',
        b'{"status":{"execution":7,"result":"failure","details":7,"code":"x"}}',
        b'{"status":{"execution":"exploded","result":{"finished":"maybe"}}}',
        b'{"status":{"code":' + b"9" * 5000 + b"}}",
        b'{"status":{"execution":["closed"],"result":{"finished":{}}}}',
    ],
)
def test_nonsense_is_a_warning_and_never_an_error(body: bytes) -> None:
    found = read_feedback(body, cut=False)
    assert (found.execution, found.finished) == ("proceeding", "none")
    assert found.warning


@pytest.mark.parametrize("cut", [True, False])
def test_end_of_an_update_is_found_in_what_is_no_json(cut: bool) -> None:  # noqa: FBT001
    body = (
        b'{"id":7,"status":{"details":["a \\"execution\\":\\"download\\" ", "'
        + b"x" * 1000
        + b'"], "execution" : "closed","result":{ "finished": "failure" }'
    )
    found = read_feedback(body, cut=cut)
    assert (found.execution, found.finished) == ("closed", "failure")
    assert found.warning


def test_attributes_are_text_and_bounded() -> None:
    given = {"a": "1", "n": 5, "t": True, "none": None, "deep": {"x": 1}, "l": [1], "bad\x00": "\n"}
    found = read_attributes(json.dumps({"mode": "replace", "data": given}).encode())
    assert found["mode"] == "replace"
    assert found["data"] == {"a": "1", "n": "5", "t": "true", "none": "", "bad ": " "}
    assert found["warning"] == "2 attributes were left out"
    many = {f"k{number}": "v" * 9000 for number in range(300)}
    found = read_attributes(json.dumps({"mode": "odd", "data": many}).encode())
    assert found["mode"] == "merge"
    assert isinstance(found["data"], dict)
    assert len(found["data"]) == events.ATTRIBUTES_MOST
    assert max(map(len, found["data"].values())) == events.VALUE_CHARACTERS + 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":[]}', b"\xff", b"{" * 9000])
def test_attributes_that_are_none_are_refused(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_attributes(body)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        ('{"address":" ada@example.org ","action":"subscribe"}', True),
        ('{"address":"","action":"unsubscribe"}', True),
        ('{"action":"unsubscribe"}', True),
        ('{"address":"ada","action":"subscribe"}', False),
        ('{"address":"a@b\\nBcc: c@d","action":"subscribe"}', False),
        ('{"address":7,"action":"subscribe"}', False),
        ('{"address":"ada@example.org","action":"spam"}', False),
        ('{"action":{}}', False),
        ('{"action":[1],"address":{}}', False),
        ("{}", False),
        ("", False),
    ],
)
def test_owner_addresses(body: str, *, accepted: bool) -> None:
    if accepted:
        assert set(events.read_owner_address(body.encode())) == {"address", "action"}
    else:
        with pytest.raises(UnreadableError):
            events.read_owner_address(body.encode())
