"""Older hashes are computed as those computed them who made them."""

from collections.abc import Callable

import pytest

from holdfast.core.process import run
from tests.accounts.hashing.samples import VECTORS, fits


@pytest.mark.parametrize(("old_hash", "secret"), VECTORS)
def test_known_hashes(old_hash: str, secret: str) -> None:
    assert fits(old_hash, secret)


def test_a_password_does_not_end_at_a_nul() -> None:
    for old_hash, secret in (VECTORS[0], VECTORS[-1]):
        assert not fits(old_hash, secret + " ")
        assert not fits(old_hash, secret + "\0")


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["-1", "-apr1", "-5", "-6"])
@pytest.mark.parametrize("salt", ["a", "saltsalt", "rounds=1234$sixteen-letters!"])
@pytest.mark.parametrize(
    "secret",
    ["a", "b" * 15, "c" * 16, "d" * 17, "e" * 64, "f" * 65, "g" * 128, "h" * 200,
     "ünïcode ☃ \U0001f511"],
)  # fmt: skip
def test_hashes_that_openssl_makes(
    need: Callable[[str], str], kind: str, salt: str, secret: str
) -> None:
    if "$" in salt and kind in {"-1", "-apr1"}:
        salt = "$".join(salt.split("$")[1:])[:8]
    made = run(
        [need("openssl"), "passwd", kind, "-salt", salt, "-stdin"],
        stdin=f"{secret}\n".encode(),
        timeout_s=10,
    )
    assert fits(made.stdout.decode().strip(), secret)
