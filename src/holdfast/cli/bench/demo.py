"""How soon `script/up` is ready, how large the device's processes are, how long the tour takes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from holdfast.cli.bench.errors import BenchError
from holdfast.core.process import run
from holdfast.device.broker import wire
from holdfast.device.report import report

READY_GOAL_S = 15.0
TOUR_GOAL_S = 180.0
TOGETHER_GOAL_MB = 100.0
GOALS_MB = {"gui": 40.0, "broker": 20.0}
_MB = 1_000_000
_START_S = 120.0
_STOP_S = 30.0
_TOUR_S = 900.0


def bench(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Later starts; their median counts.")] = 3,
    tour: Annotated[bool, typer.Option("--tour/--no-tour", help="Also time the tour.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Measure the demonstration: start, memory of the device, tour."""
    images = Path("var/images").absolute()
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        state = Path(folder)
        (state / "images").symlink_to(images)
        run([*_demo(state), "--install-only"], timeout_s=_TOUR_S, env=dict(os.environ))
        base = _free_base()
        with _running(state, base) as first_s:
            processes = _processes(state / "demo/device")
        later = []
        for _ in range(rounds):
            with _running(state, base) as took_s:
                later.append(took_s)
        figures: dict[str, Any] = {
            "first_start_s": round(first_s, 2),
            "later_start_s": round(median(later), 2),
            "goal_start_s": READY_GOAL_S,
            "processes_mb": processes,
            "together_mb": round(sum(processes.values()), 1),
            "goal_together_mb": TOGETHER_GOAL_MB,
            "goals_mb": GOALS_MB,
        }
        if tour:
            figures |= _tour(state)
        figures["load_1min"] = round(os.getloadavg()[0], 2)
    figures["holds"] = _holds(figures)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        _show(figures)
    if not figures["holds"]:
        raise typer.Exit(1)


def _demo(state: Path) -> list[str | Path]:
    return [sys.executable, "-I", "-m", "holdfast.cli", "demo", "--state", state]


@contextlib.contextmanager
def _running(state: Path, base: int) -> Iterator[float]:
    """Start the demonstration; gives the seconds until it says that it is ready."""
    begun = time.monotonic()
    command = [str(word) for word in (*_demo(state), "--port-base", str(base))]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            told = []
            for line in process.stdout or ():
                told.append(line)
                if line.startswith("Ready in"):
                    break
            else:
                raise BenchError(f"the demonstration did not start: {' / '.join(told)[-400:]}")
            yield time.monotonic() - begun
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_STOP_S)


def _processes(device: Path) -> dict[str, float]:
    """Measure every process of the device while its broker is awake, in MB of 10^6 bytes."""
    wire.call(device / "run/broker.sock", "status", {}, _START_S)
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        found = {
            process["name"]: round(process["rss_bytes"] / _MB, 1)
            for process in report(device)["processes"]
            if process["running"]
        }
        if {"agent", "auth", "broker", "gui", "launcher"} <= found.keys():
            return found
        time.sleep(0.1)
    raise BenchError("not every process of the device came up")


def _tour(state: Path) -> dict[str, Any]:
    command = [*_demo(state), "--tour", "--json"]
    done = run(command, timeout_s=_TOUR_S, check=False, env=dict(os.environ))
    told = json.loads(done.stdout or b"{}")
    return {
        "tour_s": told.get("took_s"),
        "tour_holds": told.get("holds", False),
        "tour_steps": len(told.get("steps", [])),
        "goal_tour_s": TOUR_GOAL_S,
    }


def _holds(figures: dict[str, Any]) -> bool:
    small = all(figures["processes_mb"][name] < goal for name, goal in GOALS_MB.items())
    soon = max(figures["first_start_s"], figures["later_start_s"]) < READY_GOAL_S
    told = "tour_s" not in figures or (figures["tour_holds"] and figures["tour_s"] < TOUR_GOAL_S)
    return bool(small and soon and told and figures["together_mb"] < TOGETHER_GOAL_MB)


def _show(figures: dict[str, Any]) -> None:
    table = Table("what", "measured", "goal", box=None, padding=(0, 2, 0, 0))
    table.add_row("first start", f"{figures['first_start_s']} s", f"< {READY_GOAL_S:g} s")
    table.add_row("later start", f"{figures['later_start_s']} s", f"< {READY_GOAL_S:g} s")
    for name, size in figures["processes_mb"].items():
        goal = f"< {GOALS_MB[name]:g} MB" if name in GOALS_MB else ""
        table.add_row(name, f"{size} MB", goal)
    table.add_row("together", f"{figures['together_mb']} MB", f"< {TOGETHER_GOAL_MB:g} MB")
    if "tour_s" in figures:
        table.add_row("tour", f"{figures['tour_s']} s", f"< {TOUR_GOAL_S:g} s")
    Console().print(table)


def _free_base() -> int:
    """Find four loopback ports in a row that nobody listens on now."""
    for base in range(20_000, 60_000, 16):
        with contextlib.ExitStack() as held:
            try:
                for port in range(base, base + 4):
                    held.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return base
    raise BenchError("no four free ports in a row")
