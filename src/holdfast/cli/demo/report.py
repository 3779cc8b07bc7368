"""Prints the tour: each step with its evidence, and how it ended."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from holdfast.core.errors import HoldfastError


class TourError(HoldfastError):
    """Something of the tour does not hold."""

    code = "tour"
    exit_code = 1


@dataclass(slots=True)
class Step:
    """One step of the tour.

    Attributes:
        title: What is shown.
        evidence: What was seen, one sentence each.
        took_s: Seconds.
        failure: Why it does not hold; empty if it does.
    """

    title: str
    evidence: list[str] = field(default_factory=list)
    took_s: float = 0.0
    failure: str = ""

    def saw(self, sentence: str) -> None:
        """Note what was seen."""
        self.evidence.append(" ".join(sentence.split()))


class Report:
    """Collects the steps and prints each when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps: list[Step] = []

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run one step; a failure is printed and stops the tour.

        Raises:
            HoldfastError: The step does not hold.
        """
        step = Step(title)
        self.steps.append(step)
        started = time.monotonic()
        self._say(Text.assemble(("▸ ", "cyan"), title))
        try:
            yield step
        except HoldfastError as error:
            step.failure = str(error)
            raise
        finally:
            step.took_s = time.monotonic() - started
            self._close(step)

    def chapter(self, title: str) -> None:
        """Print a heading."""
        self._say(Text(f"\n{title}", "bold"))

    def _close(self, step: Step) -> None:
        for sentence in step.evidence:
            self._say(Text.assemble("    ", (sentence, "dim")))
        if step.failure:
            self._say(Text.assemble(("  ✗ does not hold: ", "bold red"), step.failure))
        else:
            self._say(Text.assemble(("  ✓ holds", "green"), (f"  {step.took_s:.1f} s", "dim")))

    def _say(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def must(condition: object, otherwise: str) -> None:
    """Stop the tour unless a condition holds.

    Raises:
        TourError: It does not.
    """
    if not condition:
        raise TourError(otherwise)


Seen = TypeVar("Seen")


def until(
    look: Callable[[], Seen | None], *, what: str, timeout_s: float = 30.0, pause_s: float = 0.05
) -> Seen:
    """Look again and again until something is seen.

    Args:
        look: Gives what was seen, or nothing yet.
        what: What is waited for, for the message.
        timeout_s: When to give up.
        pause_s: Between two looks.

    Raises:
        TourError: It was not seen in time.
    """
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TourError(f"waited {timeout_s:g} seconds in vain for {what}")
        time.sleep(pause_s)
    return seen
