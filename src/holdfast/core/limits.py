"""Limits of single values, written into the types of a configuration's shape.

`Annotated[int, Between(5, 3600)]` is checked when a file is read and told to editors by a JSON
Schema: the limit is written once.
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Limit(Protocol):
    """Something that a value of the right type must still fulfil."""

    def refusal(self, value: Any) -> str | None:  # noqa: ANN401 - each limit knows its own type
        """Say why the value is refused; None if it is fine."""
        ...

    def schema(self) -> dict[str, object]:
        """Say the same in words of JSON Schema 2020-12."""
        ...


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `least` to `most`, both included."""

    least: float
    most: float

    def refusal(self, value: float) -> str | None:
        """Compare with both ends."""
        if self.least <= value <= self.most:
            return None
        return f"must be from {self.least:g} to {self.most:g}"

    def schema(self) -> dict[str, object]:
        """Give `minimum` and `maximum`."""
        return {"minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Matching:
    """Text that a regular expression describes whole.

    Attributes:
        pattern: In the part of the syntax that Python and ECMAScript share, without anchors.
        meaning: What it must be, to follow "must be".
    """

    pattern: str
    meaning: str

    def refusal(self, value: str) -> str | None:
        """Match the whole text."""
        if re.fullmatch(self.pattern, value):
            return None
        return f"must be {self.meaning}"

    def schema(self) -> dict[str, object]:
        """Give `pattern` with anchors."""
        return {"pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, slots=True)
class Length:
    """Text of `least` to `most` characters."""

    least: int
    most: int

    def refusal(self, value: str) -> str | None:
        """Count code points."""
        if self.least <= len(value) <= self.most:
            return None
        if not value:
            return "must not be empty"
        return f"must have {self.least} to {self.most} characters, not {len(value)}"

    def schema(self) -> dict[str, object]:
        """Give `minLength` and `maxLength`."""
        return {"minLength": self.least, "maxLength": self.most}


@dataclass(frozen=True, slots=True)
class Items:
    """A list or table of `least` to `most` elements."""

    least: int
    most: int

    def refusal(self, value: Any) -> str | None:  # noqa: ANN401 - a tuple or a mapping
        """Count elements."""
        if self.least <= len(value) <= self.most:
            return None
        if not value:
            return "must not be empty"
        return f"must have {self.least} to {self.most} elements, not {len(value)}"

    def schema(self) -> dict[str, object]:
        """Give `minItems` and `maxItems`."""
        return {"minItems": self.least, "maxItems": self.most}


@dataclass(frozen=True, slots=True)
class Unique:
    """A list that names nothing twice."""

    def refusal(self, value: tuple[object, ...]) -> str | None:
        """Name the first element that comes back."""
        seen: set[object] = set()
        for element in value:
            if element in seen:
                return f"names {str(element)[:60]!r} twice"
            seen.add(element)
        return None

    def schema(self) -> dict[str, object]:
        """Give `uniqueItems`."""
        return {"uniqueItems": True}
