"""At the border: whatever comes in, a profile or every fault comes out, and nothing else."""

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import product
from holdfast.product import Profile, ProfileError

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = [path.read_text() for path in sorted(EXAMPLES.glob("*/product.toml"))]
PIECES = [
    "",
    "\n",
    "=",
    "[[services]]\n",
    "[services]\n",
    '"""',
    "'''",
    "{",
    "]",
    "x = 1\n",
    "\x00",
    "\ud800",
    "\u202e",
    "9" * 5000,
    "-1",
    "1e999",
    "nan",
    "[" * 40,
    "a." * 40,
    "1979-05-27",
    "true",
    '"\\u001b[31m"',
]


def read(content: str | bytes) -> Profile | ProfileError:
    """Read a profile; whatever is refused must be so in words that fit on a terminal."""
    lines = content.count("\n") if isinstance(content, str) else content.count(b"\n")
    refused: ProfileError | None = None
    try:
        return product.parse(content, name="p.toml")
    except ProfileError as error:
        refused = error
    assert refused.faults
    for fault in refused.faults:
        assert 1 <= fault.line <= lines + 1
        assert fault.reason
        assert str(fault).isprintable()
    assert str(refused).encode()
    return refused


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=400) | st.text(max_size=400))
def test_random_content_is_refused_in_words(content: str | bytes) -> None:
    assert isinstance(read(content), ProfileError)


@settings(max_examples=150, deadline=None)
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 2**32))
def test_mutated_examples_are_read_or_refused_in_words(text: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for _ in range(chance.randrange(1, 6)):
        begin = chance.randrange(len(text))
        end = min(len(text), begin + chance.choice([0, 1, 5, 80]))
        text = text[:begin] + chance.choice(PIECES) + text[end:]
    read(text)


@settings(max_examples=60, deadline=None)
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 2**32))
def test_flipped_bytes_are_read_or_refused_in_words(text: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    content = bytearray(text.encode())
    for _ in range(chance.randrange(1, 4)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    read(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS, ids=["camera", "home-gateway"])
def test_each_key_renamed_is_named_at_its_line(text: str) -> None:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        key = re.match(r"([a-z_]+) = ", line)
        if key is None:
            continue
        changed = [*lines]
        changed[number] = line.replace(key.group(1), f"{key.group(1)}x", 1)
        error = read("\n".join(changed))
        assert isinstance(error, ProfileError)
        fault = next(one for one in error.faults if one.line == number + 1)
        assert fault.key.endswith(f"{key.group(1)}x")
        assert fault.reason == "unknown key"
        assert fault.nearest == key.group(1)


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS, ids=["camera", "home-gateway"])
def test_each_value_of_another_type_is_named_at_its_line(text: str) -> None:
    lines = text.splitlines()
    for number, line in enumerate(lines):
        key = re.match(r"([a-z_]+) = ", line)
        if key is None:
            continue
        changed = [*lines]
        changed[number] = f"{key.group(1)} = 2.5"
        error = read("\n".join(changed))
        assert isinstance(error, ProfileError)
        assert any(one.line == number + 1 and "2.5" in one.reason for one in error.faults)


@pytest.mark.parametrize("text", TEXTS, ids=["camera", "home-gateway"])
def test_many_planted_faults_are_all_reported(text: str) -> None:
    chance = random.Random(7)  # noqa: S311 - not for secrets
    for _ in range(20):
        lines = text.splitlines()
        places = [n for n, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
        wrong = set(chance.sample(places, 12))
        for number in wrong:
            lines[number] = lines[number].split(" = ")[0] + " = 2.5"
        error = read("\n".join(lines))
        assert isinstance(error, ProfileError)
        assert {fault.line for fault in error.faults} == {number + 1 for number in wrong}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "services = [" + "{}," * 300_000 + "]",
        "[[services]]\n" * 70_000,
        'endpoints = [{ host = "' + "a-" * 500_000 + '" }]',
        '[disclosure]\npolicy = "https://' + "a." * 500_000 + '"',
        '[identity]\nvendor = "' + " " * 1_000_000 + '"',
        ".".join("a" * 30_000) + " = 1",
    ],
    ids=["inline", "headers", "host", "address", "spaces", "dots"],
)
def test_a_hostile_megabyte_is_answered_soon_and_briefly(text: str) -> None:
    begin = time.monotonic()
    error = read(text)
    assert time.monotonic() - begin < 10
    assert isinstance(error, ProfileError)
    assert len(error.faults) < 30
    assert len(str(error)) < 10_000
