"""A measured value and what it should be."""

from typing import NamedTuple


class Figure(NamedTuple):
    """One measured value.

    Attributes:
        value: What was measured; the name of the figure says the unit.
        most: What it should not exceed, if anything.
        least: What it should reach, if anything.
    """

    value: float
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Tell whether it is as it should be."""
        return (self.most is None or self.value <= self.most) and (
            self.least is None or self.value >= self.least
        )

    @property
    def goal(self) -> str:
        """Say what it should be."""
        if self.most is not None:
            return f"at most {self.most:g}"
        return "" if self.least is None else f"at least {self.least:g}"

    def plain(self) -> dict[str, object]:
        """Give it for JSON."""
        return {"value": self.value, "goal": self.goal, "holds": self.holds}


Figures = dict[str, Figure]
