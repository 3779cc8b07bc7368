import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.gateway import events

Bench = Any  # of conftest.py, which cannot be imported
Start = Callable[[], Any]
BASE = "/DEFAULT/controller/v1/dev-1"
TOKEN = "a-token-of-32-letters-and-digits"

WORDS = st.sampled_from(
    ["DEFAULT", "controller", "v1", "dev-1", "deploymentBase", "feedback", "configData", "tuf",
     "softwaremodules", "artifacts", "metadata", "targets", "installedBase", "owner-address",
     "1", "0", "2147483647", "os.swu", "os.swu.MD5SUM", "..", "", "timestamp.json", "home-gateway"]
)  # fmt: skip
# A server decodes paths leniently, but never into surrogates.
NO_SURROGATES = st.text(st.characters(codec="utf-8"), max_size=30)
PATHS = st.lists(WORDS | NO_SURROGATES, max_size=9).map(lambda words: "/" + "/".join(words))
TAILS = st.lists(WORDS | NO_SURROGATES, max_size=5).map(lambda words: "/".join([BASE, *words]))
HEADER_NAMES = st.sampled_from(
    ["range", "if-range", "if-match", "if-none-match", "authorization", "host", "expect", "x"]
)
HEADERS = st.dictionaries(
    HEADER_NAMES, st.text(st.characters(max_codepoint=255), max_size=60), max_size=4
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["closed", "success", "failure", "proceeding", "merge"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["status", "execution", "result", "finished", "details", "progress",
                         "cnt", "of", "code", "data", "mode", "id", "address", "action"])
        | st.text(max_size=5), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip
BODIES = st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode())
QUICKLY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
EXPECTED = {200, 206, 304, 400, 401, 404, 405, 410, 412, 413, 414, 416, 429}


@pytest.fixture
def bench(hub: Bench, gateway: Start) -> Bench:
    hub.offer(hub.device(wants_attributes=1), hub.release())
    return gateway()


@pytest.mark.slow
@QUICKLY
@given(method=METHODS, path=PATHS | TAILS, headers=HEADERS, body=BODIES)
def test_no_request_is_a_fault(
    bench: Bench, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    answer = bench.ask(method, path.replace("?", ""), body, headers=headers)
    assert answer.status in EXPECTED
    assert b"Traceback" not in answer.body


@QUICKLY
@given(body=BODIES, place=st.sampled_from(["deploymentBase/1/feedback", "configData",
                                           "owner-address"]))  # fmt: skip
def test_no_body_is_a_fault(bench: Bench, body: bytes, place: str) -> None:
    method = "PUT" if place == "configData" else "POST"
    answer = bench.ask(method, f"{BASE}/{place}", body)
    expected = {200, 410, 429} if "feedback" in place else {200, 400, 429}
    assert answer.status in expected


@settings(max_examples=300, deadline=None)
@given(body=BODIES)
def test_every_report_is_read_and_can_be_written_down(body: bytes) -> None:
    found = events.read_feedback(body, cut=False)
    assert found.execution in events.EXECUTIONS
    assert found.finished in events.RESULTS
    written = json.dumps(found.body(), ensure_ascii=False).encode()
    assert len(written) < 4 * events.DETAILS_MOST * events.DETAIL_CHARACTERS + 1000


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=2000))
def test_cleaned_text_is_plain_and_short(text: str) -> None:
    found = events.clean(text, 100)
    assert len(found) <= 102
    assert not any(sign < " " for sign in found)
    found.encode()
