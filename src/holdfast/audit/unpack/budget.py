"""What one audit has used up so far; every reader asks here before it makes anything big."""

from collections.abc import Callable
from time import monotonic

from holdfast.audit.errors import LimitError
from holdfast.audit.limits import Limits


class Budget:
    """Counts bytes, files and seconds against the limits.

    Attributes:
        limits: The limits.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._until = clock() + limits.seconds
        self._bytes = self._files = 0

    def again(self, seconds: float) -> None:
        """Begin a new part of the audit, which has so much time and may use as many bytes.

        What was opened before a limit was reached can then still be read and judged.
        """
        self._until = self._clock() + seconds
        self._bytes = 0

    def tick(self) -> None:
        """Stop if the time is over; call it inside every loop that an image controls.

        Raises:
            LimitError: It is.
        """
        if self._clock() > self._until:
            raise LimitError(limit="seconds", most=self.limits.seconds)

    def take_bytes(self, count: int) -> None:
        """Count unpacked bytes, before they are made where their number is known.

        Raises:
            LimitError: That would be too many.
        """
        self.must_fit(count)
        self._bytes += count
        if self._bytes > self.limits.unpacked_bytes:
            raise LimitError(limit="unpacked_bytes", most=self.limits.unpacked_bytes)
        self.tick()

    def must_fit(self, count: int) -> None:
        """Refuse a single file that is too long.

        Raises:
            LimitError: It is.
        """
        if count > self.limits.file_bytes:
            raise LimitError(limit="file_bytes", most=self.limits.file_bytes)

    def take_file(self) -> None:
        """Count one name in a tree.

        Raises:
            LimitError: That is one too many.
        """
        self._files += 1
        if self._files > self.limits.files:
            raise LimitError(limit="files", most=self.limits.files)
        self.tick()
