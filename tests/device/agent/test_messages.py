"""Whatever the hub sends, it is read as one of our objects or refused as garbage."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.device.agent import messages
from holdfast.device.agent.errors import HubGarbageError
from holdfast.device.agent.telling import in_parts

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "_links",
        "config",
        "polling",
        "sleep",
        "deployment",
        "chunks",
        "artifacts",
        "href",
        "deploymentBase",
        "cancelAction",
        "stopId",
        "id",
        "name",
        "version",
        "filename",
        "download",
    ]
)
NEARLY = st.recursive(
    st.none() | st.integers() | st.text(max_size=12) | st.sampled_from(["00:05:00", "/a/b/7?c=1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


def deployment(**changes: Any) -> dict[str, Any]:
    artifact = {
        "filename": "image.squashfs",
        "size": 7,
        "_links": {"download": {"href": "http://hub.example/DEFAULT/file"}},
    }
    chunk = {"part": "os", "name": "camera", "version": "1.1", "artifacts": [artifact]}
    chunk.update(changes.pop("chunk", {}))
    artifact.update(changes.pop("artifact", {}))
    whole = {"id": "7", "deployment": {"update": "attempt", "chunks": [chunk]}}
    whole.update(changes)
    return whole


def read(whole: object) -> messages.Deployment:
    return messages.deployment_of(json.dumps(whole).encode(), number=7)


def test_a_deployment_is_read() -> None:
    found = read(deployment())
    assert found.target == "camera/1.1/image.squashfs"
    assert found.download == "/DEFAULT/file"
    assert not found.forced


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "8"},
        {"id": -7},
        {"id": True},
        {"chunk": {"name": "../camera"}},
        {"chunk": {"name": "Camera"}},
        {"chunk": {"version": "1.1\n"}},
        {"chunk": {"version": 1.1}},
        {"chunk": {"artifacts": []}},
        {"chunk": {"artifacts": [{}, {}]}},
        {"artifact": {"filename": "../../etc/passwd"}},
        {"artifact": {"filename": ".hidden"}},
        {"artifact": {"_links": {}}},
        {"artifact": {"_links": {"download": {"href": "no path"}}}},
        {"artifact": {"_links": {"download": {"href": "http://x/\r\nHost: y"}}}},
        {"deployment": None},
    ],
)
def test_a_faulty_deployment_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(HubGarbageError):
        read(deployment(**changes))


@given(ANYTHING | NEARLY)
def test_no_json_breaks_a_reader(whole: object) -> None:
    body = json.dumps(whole).encode()
    for reader in (
        messages.poll_of,
        messages.cancelled_id,
        lambda content: messages.deployment_of(content, number=7),
    ):
        try:
            reader(body)
        except HubGarbageError:
            continue


@given(st.binary(max_size=200))
def test_no_bytes_break_a_reader(body: bytes) -> None:
    try:
        messages.poll_of(body)
    except HubGarbageError:
        return


@given(st.text(max_size=400))
def test_parts_are_whole_and_fit(text: str) -> None:
    parts = in_parts(text, most_bytes=60)
    assert "".join(parts) == text
    assert all(len(json.dumps(part)) <= 62 for part in parts)


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:05:00", 300), ("23:59:59", 86_399), ("00:00:00", 1), ("5", None)]
)
def test_sleep(text: str, seconds: int | None) -> None:
    body = json.dumps({"config": {"polling": {"sleep": text}}}).encode()
    assert messages.poll_of(body).sleep_s == seconds
