"""What a refusal says is what the option takes."""

import pytest

from holdfast.audit.errors import LimitError, amount
from holdfast.audit.limits import Limits
from holdfast.cli.audit.terms import limits


@pytest.mark.parametrize(
    ("limit", "most", "told"),
    [
        ("file_bytes", 512 * 1024**2, "512M"),
        ("unpacked_bytes", 2.0 * 1024**3, "2G"),
        ("memory_bytes", 1000, "1000"),
        ("files", 3_000_000, "3000000"),
        ("seconds", 0.5, "0.5"),
    ],
)
def test_limits_are_written_as_they_are_given(limit: str, most: float, told: str) -> None:
    assert amount(limit, most) == told
    assert f"{limit} = {told}" in str(LimitError(limit=limit, most=most))
    if most >= 1:
        assert limits([f"{limit}={told}"]) == Limits(**{limit: int(most)})
