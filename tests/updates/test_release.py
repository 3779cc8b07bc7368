import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.updates.errors import (
    BY_CODE,
    BelowFloorError,
    ExpiredError,
    MetadataError,
    ReleaseError,
    RollbackError,
    TamperedError,
    UpdateError,
    VersionError,
    WrongHardwareError,
    WrongProductError,
    rebuild,
)
from holdfast.updates.release import Release, Severity, Version, is_product

MADE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
V = Version.parse


def release(**changes: object) -> Release:
    fields: dict[str, Any] = {
        "product": "camera",
        "version": V("1.2"),
        "hardware": ("a", "b"),
        "floor": V("1.1"),
        "severity": Severity.HIGH,
        "notes": "Closes a hole.",
        "fixes": ("CVE-2026-1234",),
        "artifact": "rootfs.squashfs",
        "size_bytes": 10,
        "sha256": "a" * 64,
        "made": MADE,
        "expires": MADE + timedelta(days=730),
        "profile_sha256": "b" * 64,
        **changes,
    }
    return Release(**fields)


@given(
    st.tuples(*[st.integers(0, 999)] * 3),
    st.tuples(*[st.integers(0, 999)] * 3),
)
def test_versions_are_ordered_as_their_numbers(
    one: tuple[int, int, int], two: tuple[int, int, int]
) -> None:
    first, second = (Version(major=a, minor=b, patch=c) for a, b, c in (one, two))
    assert (first < second) == (first.number < second.number)
    assert Version.parse(str(first)) == first
    assert Version.from_number(first.number) == first
    assert first.number < 1 << 30


def test_versions_are_compared_as_numbers_not_as_text() -> None:
    assert V("1.10") > V("1.9")
    assert str(V("1.2.0")) == "1.2"
    assert str(V("1.2.3")) == "1.2.3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.",
        "1.2.3.4",
        "01.2",
        "1.1000",
        "v1.2",
        "1.2-rc",
        "\u0661.\u0662",
        "1.2\n",
        " 1.2",
    ],
)
def test_other_texts_are_not_versions(text: str) -> None:
    with pytest.raises(VersionError):
        V(text)


@given(st.text(max_size=20))
def test_any_text_is_a_version_or_refused(text: str) -> None:
    try:
        V(text)
    except VersionError as error:
        assert error.hint  # noqa: PT017 - both outcomes are fine


@pytest.mark.parametrize("name", ["root", "targets", "snapshot", "timestamp", "A", "1a"])
def test_reserved_and_odd_names_are_not_products(name: str) -> None:
    assert not is_product(name)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"product": "root"}, "id of a product"),
        ({"hardware": ()}, "hardware"),
        ({"hardware": ("a", "a")}, "twice"),
        ({"hardware": ("a/b",)}, "hardware"),
        ({"floor": V("1.3")}, "floor"),
        ({"notes": "  \n"}, "notes are empty"),
        ({"notes": "x" * 4001}, "4000"),
        ({"notes": "bell \x07"}, "control"),
        ({"fixes": ("CVE-26-1",)}, "CVE"),
        ({"fixes": ("CVE-2026-1234",) * 2}, "repeated"),
        ({"artifact": "../etc/passwd"}, "file name"),
        ({"artifact": "product.toml"}, "file name"),
        ({"size_bytes": 0}, "empty"),
        ({"sha256": "A" * 64}, "digest"),
        ({"made": MADE.replace(tzinfo=None)}, "UTC"),
        ({"expires": MADE}, "expires"),
    ],
)
def test_nonsense_is_refused_when_built(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ReleaseError, match=word):
        release(**changes)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ReleaseError) as caught:
        release(notes="", size_bytes=0, hardware=())
    assert all(word in str(caught.value) for word in ("notes", "image is empty", "hardware"))


@pytest.mark.parametrize(
    ("current", "floor", "refusal"),
    [
        ("1.1", "1.1", None),
        ("1.1", "1.2", None),
        ("1.2", "1.0", RollbackError),
        ("1.3", "1.0", RollbackError),
        ("1.3", "1.3", RollbackError),
        ("1.0", "1.3", BelowFloorError),
    ],
)
def test_no_step_back(current: str, floor: str, refusal: type[UpdateError] | None) -> None:
    if refusal is None:
        release().must_follow(V(current), V(floor))
        return
    with pytest.raises(refusal):
        release().must_follow(V(current), V(floor))


def test_other_products_and_revisions_are_refused() -> None:
    release().must_fit("camera", "b")
    with pytest.raises(WrongProductError, match="home-gateway"):
        release().must_fit("home-gateway", "a")
    with pytest.raises(WrongHardwareError, match="revision c"):
        release().must_fit("camera", "c")


def test_it_expires() -> None:
    release().must_be_fresh(MADE)
    with pytest.raises(ExpiredError):
        release().must_be_fresh(MADE + timedelta(days=730))


def test_a_manifest_survives_the_journey() -> None:
    for each in (release(), release(sbom_sha256="c" * 64, audit_sha256="d" * 64)):
        custom = each.to_custom()
        assert Release.from_target(each.path, 10, {"sha256": "a" * 64}, custom) == each


def test_a_manifest_of_the_future_may_say_more() -> None:
    custom = release().to_custom()
    custom["holdfast"]["carbon"] = {"grams": 3}
    assert Release.from_target(release().path, 10, {"sha256": "a" * 64}, custom) == release()


def test_path_and_manifest_must_agree() -> None:
    custom = release().to_custom()
    with pytest.raises(WrongProductError):
        Release.from_target("home-gateway/1.2/x.img", 10, {"sha256": "a" * 64}, custom)
    with pytest.raises(MetadataError):
        Release.from_target("camera/1.3/x.img", 10, {"sha256": "a" * 64}, custom)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(release().to_custom()["holdfast"])),
    JSON,
)
def test_any_value_in_a_manifest_is_read_or_refused(name: str, value: object) -> None:
    custom = release().to_custom()
    custom["holdfast"][name] = value
    try:
        found = Release.from_target(release().path, 10, {"sha256": "a" * 64}, custom)
    except UpdateError:
        return
    assert found.product == "camera"
    assert dataclasses.replace(found) == found


@given(JSON)
def test_any_custom_is_read_or_refused(custom: object) -> None:
    with pytest.raises(UpdateError):
        Release.from_target("camera/1.2/x.img", 10, {"sha256": "a" * 64}, custom)


def test_errors_survive_a_process_boundary() -> None:
    again = rebuild("update-tampered", "It is another one.", "Try again.")
    assert isinstance(again, TamperedError)
    assert (str(again), again.hint) == ("It is another one.", "Try again.")
    assert isinstance(rebuild("no-such-code", "What"), UpdateError)


def test_every_refusal_speaks_to_the_owner() -> None:
    for code, kind in BY_CODE.items():
        error = kind()
        assert error.code == code
        assert str(error).endswith(".")
        assert error.hint.endswith(".")
