"""One expression that the engine looks for in every content, all of them in one pass."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An expression over bytes.

    Attributes:
        name: By which checks and models ask for its hits; lower-case words joined by hyphens, the
            first word says whose it is: `component-busybox`, `backdoor-roodkcab`.
        expression: In the common part of Python's `re` and Hyperscan: no look-around, no
            back-references, bounded repeats; may have one group called `version`. It must hold
            some literal text, or it costs every audit.
        any_case: Whether letters match in both cases.
        secret: Whether what stands there must never be shown.
        most: How many hits of one content are kept.
    """

    name: str
    expression: bytes
    any_case: bool = False
    secret: bool = False
    most: int = 8
