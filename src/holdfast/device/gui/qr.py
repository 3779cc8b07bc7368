"""QR codes as the path of an inline picture: no foreign program, no file, nothing kept."""

from typing import NamedTuple

_QUIET = 4
"""Empty modules around it, ISO/IEC 18004 6.3.8."""


class Picture(NamedTuple):
    """A QR code.

    Attributes:
        size: Modules from edge to edge, with the empty ones around it.
        path: What is dark, as the `d` of an SVG path.
    """

    size: int
    path: str


def drawn(text: str) -> Picture:
    """Draw a QR code."""
    import segno  # noqa: PLC0415 - half a megabyte that only setting up an app needs

    matrix = segno.make(text, error="m", micro=False).matrix
    parts = []
    for y, row in enumerate(matrix, _QUIET):
        start = None
        for x, dark in enumerate((*row, 0), _QUIET):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                parts.append(f"M{start} {y}h{x - start}v1h{start - x}z")
                start = None
    return Picture(size=len(matrix) + 2 * _QUIET, path="".join(parts))
