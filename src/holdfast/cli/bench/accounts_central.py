"""Central login against real servers: which cells of the matrix are right, and how long they take.

The servers are started by the tests in `tests/accounts/directories`; here those are run, and
counted. A test is at least one cell, and some are several logins, so the times are upper bounds.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from rich.console import Console

from holdfast.cli.bench.errors import BenchError
from holdfast.cli.bench.figures import Figure, Figures
from holdfast.core.process import run

TESTS: Final = Path("tests/accounts/directories")
SLOWEST_GOAL_S: Final = 10.0
_LONGEST_S: Final = 1800.0
_LOGIN_S: Final = "median_login_s"
_MISSING: Final = re.compile(r"\b([\w-]+) is not (installed|built)\b")


class Cell(NamedTuple):
    """One test that was run.

    Attributes:
        protocol: `ldap`, `radius`, `tacacs`, or `all` for what concerns them together.
        name: Of the test, with its parameters.
        right: Whether it passed; None if it was not run.
        seconds: How long it took.
        login_s: Median time of a login through the child, if it measured that.
        told: Why it was not run.
    """

    protocol: str
    name: str
    right: bool | None
    seconds: float
    login_s: float | None = None
    told: str = ""


def measure() -> Figures:
    """Run the matrix; what could not be run for want of a program is named, and does not hold.

    Raises:
        BenchError: The tests are not here, or could not be run.
    """
    if not TESTS.is_dir():
        raise BenchError(f"There is no {TESTS} here: run this in a checkout.")
    cells = _run()
    _say_what_is_wrong(cells)
    return figures_of(cells)


def figures_of(cells: Sequence[Cell]) -> Figures:
    """Count cells by protocol; what was not run is never shown as fine."""
    figures: Figures = {}
    for protocol in sorted({one.protocol for one in cells}):
        mine = [one for one in cells if one.protocol == protocol]
        run_ones = [one for one in mine if one.right is not None]
        right = sum(one.right is True for one in run_ones)
        share = round(100 * right / len(run_ones), 2) if run_ones else 0.0
        figures[f"{protocol}_cells"] = Figure(len(mine), least=1)
        figures[f"{protocol}_not_run"] = Figure(len(mine) - len(run_ones), most=0)
        figures[f"{protocol}_right_percent"] = Figure(share, least=100)
        slowest = max((one.seconds for one in run_ones), default=0.0)
        figures[f"{protocol}_slowest_s"] = Figure(round(slowest, 2), most=SLOWEST_GOAL_S)
        logins = [one.login_s for one in mine if one.login_s is not None]
        if logins:
            figures[f"{protocol}_login_s"] = Figure(round(median(logins), 3), most=SLOWEST_GOAL_S)
    return figures


def _run() -> list[Cell]:
    with TemporaryDirectory(prefix="holdfast-bench-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", str(TESTS), "-q", "-m", "servers"]
        command += ["-p", "no:cacheprovider", f"--junitxml={report}"]
        # The first form of the report is the one in which tests may tell what they measured.
        command += ["-o", "junit_duration_report=call", "-o", "junit_family=xunit1"]
        keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        done = run(command, timeout_s=_LONGEST_S, check=False, env={**keep, "LC_ALL": "C.UTF-8"})
        if not report.exists():
            last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
            raise BenchError(f"The tests could not be run: {''.join(last)}")
        cells = list(cells_of(report))
    if not cells:
        raise BenchError("No test was found.")
    return cells


def cells_of(report: Path) -> Iterator[Cell]:
    """Read what pytest wrote in the form of JUnit."""
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        skipped = case.find("skipped")
        wrong = case.find("failure") is not None or case.find("error") is not None
        logins = [
            float(each.get("value", "0"))
            for each in case.iter("property")
            if each.get("name") == _LOGIN_S
        ]
        yield Cell(
            protocol=_protocol_of(case.get("classname", ""), case.get("name", "")),
            name=case.get("name", ""),
            right=None if skipped is not None else not wrong,
            seconds=float(case.get("time", "0")),
            login_s=logins[0] if logins else None,
            told=(skipped.get("message") or "") if skipped is not None else "",
        )


def _protocol_of(module: str, name: str) -> str:
    """Read the protocol from the module, or from the parameters of a test of all of them."""
    inside = name.partition("[")[2]
    for text in (module.rpartition("directories.")[2], inside):
        for word, protocol in (
            ("ldap", "ldap"), ("radius", "radius"), ("radsec", "radius"), ("tac", "tacacs"),
        ):  # fmt: skip
            if word in text:
                return protocol
    return "all"


def _say_what_is_wrong(cells: Sequence[Cell]) -> None:
    note = Console(stderr=True)
    found = {match[1] for one in cells for match in _MISSING.finditer(one.told)}
    if found:
        note.print(f"not installed: {', '.join(sorted(found))}")
    for one in cells:
        if one.right is False:
            note.print(f"wrong: {one.protocol} {one.name}", markup=False)
