"""Polls a second of one gateway process with a whole fleet registered, gooseBit beside it."""

import http.client
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from holdfast.cli.bench import fleet, goosebit, machine, wrk
from holdfast.cli.bench.errors import BenchError

GOAL_PER_S = 30_000
GOAL_P99_MS = 10.0
GOAL_LAG_S = 5.0
_PROBES = 10
_START_S = 60.0


@dataclass(slots=True)
class Lag:
    """How long it took until the database knew that a device had polled.

    Attributes:
        seconds: One value for each poll that was watched.
    """

    seconds: list[float] = field(default_factory=list)


def bench(
    *,
    devices: Annotated[
        int, typer.Option(min=100, max=999_000, help="Registered devices.")
    ] = 100_000,
    seconds: Annotated[int, typer.Option(min=1, help="Length of each round.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="The median of these counts.")] = 3,
    connections: Annotated[int, typer.Option(min=1, help="Open connections of wrk.")] = 48,
    beside: Annotated[
        bool, typer.Option("--goosebit/--no-goosebit", help="Measure gooseBit beside it.")
    ] = True,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Poll random devices with their tokens as fast as one gateway process answers."""
    note = Console(stderr=True, quiet=json_output)
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        folder = Path(name)
        port = fleet.free_port()
        note.print(f"making a hub with {devices:,} devices")
        config = fleet.make_hub(folder, port=port)
        database = folder / "state" / "hub.sqlite3"
        fleet.register(database, devices + _PROBES)
        lua = wrk.script(
            folder,
            first=0,
            last=devices - 1,
            path=f"/DEFAULT/controller/v1/{fleet.ID_FORM}",
            token=fleet.TOKEN_FORM,
        )
        with _gateway(config, port, folder / "gateway.log") as (process_id, start_s):
            url = f"http://127.0.0.1:{port}"
            note.print("measuring the gateway")
            busy = machine.busy()
            wrk.load(url, lua, seconds=2, connections=connections)
            with _watched(database, port, devices) as lag:
                found = [
                    wrk.load(url, lua, seconds=seconds, connections=connections)
                    for _ in range(rounds)
                ]
            rss_mb = _rss_mb(process_id)
        rival = goosebit.measure(folder, note, seconds=seconds) if beside else None
    figures = _figures(found, lag, rival) | {"cpu_busy_before": busy}
    figures |= {"devices": devices, "seconds": seconds, "start_s": round(start_s, 2)}
    figures |= {"connections": connections, "rss_mb": rss_mb, "cores": os.cpu_count()}
    figures["load_1min"] = round(os.getloadavg()[0], 2)
    if json_output:
        typer.echo(msgspec.json.format(msgspec.json.encode(figures)).decode())
    else:
        _show(figures)


def _figures(found: list[wrk.Load], lag: Lag, rival: wrk.Load | None) -> dict[str, object]:
    per_s = median(one.per_s for one in found)
    p99_ms = median(one.p99_ms for one in found)
    lag_s = round(max(lag.seconds), 2) if lag.seconds else None
    figures: dict[str, object] = {
        "polls_per_s": per_s,
        "p50_ms": median(one.p50_ms for one in found),
        "p99_ms": p99_ms,
        "errors": sum(one.errors for one in found),
        "last_seen_lag_s": lag_s,
        "last_seen_probes": len(lag.seconds),
        "rounds": [asdict(one) for one in found],
        "goals_met": {
            "polls_per_s": per_s >= GOAL_PER_S,
            "p99_ms": p99_ms < GOAL_P99_MS,
            "last_seen_lag_s": lag_s is not None and lag_s <= GOAL_LAG_S,
            "errors": not any(one.errors for one in found),
        },
    }
    if rival is not None:
        figures["goosebit"] = {"version": goosebit.VERSION, **asdict(rival)}
        figures["times_goosebit"] = round(per_s / rival.per_s, 1) if rival.per_s else None
    return figures


def _show(figures: dict[str, object]) -> None:
    table = Table("figure", "value", box=None)
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)


@contextmanager
def _gateway(config: Path, port: int, log: Path) -> Iterator[tuple[int, float]]:
    """Run a gateway in a process of its own; gives its number and how long it took to start."""
    program = [sys.executable, "-c", "from holdfast.cli import main; main()"]
    began = time.monotonic()
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [*program, "gateway", "serve", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as process,
    ):
        try:
            while not _answers(port):
                if process.poll() is not None or time.monotonic() - began > _START_S:
                    tail = log.read_text(errors="replace")[-500:]
                    raise BenchError(f"the gateway did not start: {tail}")
                time.sleep(0.02)
            yield process.pid, time.monotonic() - began
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return _status(port, "/healthz") == http.client.OK
    except OSError:
        return False


def _status(port: int, path: str, token: str = "") -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        headers = {"Authorization": f"TargetToken {token}"} if token else {}
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status


@contextmanager
def _watched(database: Path, port: int, devices: int) -> Iterator[Lag]:
    """Poll as devices that wrk leaves alone, and watch the database for each of those polls."""
    lag, over = Lag(), threading.Event()

    def watch() -> None:
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            for turn in range(1_000_000):
                if over.wait(0.1):
                    return
                number = devices + turn % _PROBES
                polled = time.time()
                _status(
                    port,
                    f"/DEFAULT/controller/v1/{fleet.ID_FORM % number}",
                    fleet.TOKEN_FORM % number,
                )
                while not _seen_since(connection, number, polled):
                    time.sleep(0.02)
                    if time.time() - polled > 10 * GOAL_LAG_S:
                        break
                lag.seconds.append(time.time() - polled)

    watcher = threading.Thread(target=watch, name="watcher")
    watcher.start()
    try:
        yield lag
    finally:
        over.set()
        watcher.join()


def _seen_since(connection: sqlite3.Connection, number: int, moment: float) -> bool:
    row = connection.execute(
        """SELECT at_ms FROM fleet_lastseen
        WHERE device_id = (SELECT id FROM fleet_device WHERE controller_id = ?)""",
        (fleet.ID_FORM % number,),
    ).fetchone()
    return row is not None and row[0] >= int(moment * 1000)


def _rss_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text()
    line = next(one for one in status.splitlines() if one.startswith("VmRSS:"))
    return round(int(line.split()[1]) / 1024, 1)
