"""What the tests of running systems share."""

import os
import sys
import traceback
from collections.abc import Callable

import pytest

NOBODY = 65534


@pytest.fixture
def as_nobody() -> Callable[[Callable[[], None]], None]:
    """Run a function in a process that belongs to an ordinary user."""

    def run(function: Callable[[], None]) -> None:
        if os.geteuid() != 0:
            function()
            return
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                function()
            except BaseException:  # noqa: BLE001 - it must not go on as the test runner
                traceback.print_exc(file=sys.stderr)
                os._exit(1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    return run
