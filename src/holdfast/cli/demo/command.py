"""`holdfast demo`, which `script/up` calls."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from holdfast.cli.demo import screen
from holdfast.cli.demo.places import Places, Ports
from holdfast.cli.demo.site import SEVERITIES, Site
from holdfast.cli.demo.status import Status
from holdfast.core.errors import UsageError

app = typer.Typer(
    help="Hub, gateway, worker and one device on this machine, and the tour.",
    pretty_exceptions_enable=False,
)

_BASE_PORT = 8000
_OFFERED = "1.1"
_BROKEN = "1.6"


@app.command()
def demo(
    *,
    tour: Annotated[
        bool, typer.Option("--tour", help="The whole story without a person; 0 if all holds.")
    ] = False,
    install_only: Annotated[
        bool, typer.Option("--install-only", help="Build what is needed and stop.")
    ] = False,
    state: Annotated[Path, typer.Option(help="Folder of the state.")] = Path("var"),
    port_base: Annotated[int, typer.Option(help="First of four ports in a row.")] = _BASE_PORT,
    points: Annotated[int, typer.Option(help="Power cuts in the tour.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell the outcome of the tour as JSON.")
    ] = False,
) -> None:
    """Start hub, gateway, worker and one device on this machine; Ctrl-C stops them."""
    started = time.monotonic()
    console = Console(stderr=as_json)
    _end_cleanly()
    state = state.absolute()
    _build_images(console, Site(Places(state / "demo"), Ports.free()))
    if install_only:
        console.print("Everything is installed. Start with: script/up")
    elif tour:
        if os.geteuid() != 0:
            error = UsageError("the tour needs root: it fills a disk, and gives processes users")
            error.hint = "Run `sudo script/up --tour`; `script/up` itself needs no root."
            raise error
        _tour(console, state, points, as_json=as_json)
    else:
        _run(console, Places(state / "demo"), port_base, started)


def _end_cleanly() -> None:
    """Make every usual signal end it as Ctrl-C does, also where a shell has it ignore Ctrl-C."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def _build_images(console: Console, site: Site) -> None:
    """Build what is missing, showing how far it is; a moment when all is there."""
    wanted = [(version, False) for version in SEVERITIES] + [(_BROKEN, True)]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        for version, broken in wanted:
            work = bar.add_task(f"root file system {version} from Debian packages", total=1)
            site.image(version, broken=broken)
            bar.update(work, completed=1)


def _run(console: Console, places: Places, port_base: int, started: float) -> None:
    ports = Ports.from_base(port_base)
    if places.founded() and places.ports() != ports:
        console.print(f"Keeping the ports of the first start in {places.state}.")
        ports = places.ports()
    elif not places.founded():
        # An earlier first start that was cut off leaves nothing worth keeping.
        shutil.rmtree(places.state, ignore_errors=True)
    site = Site(places, ports)
    try:
        with site.held():
            ports.must_be_free()
            _start(console, site)
            status = Status(site)
            console.print(f"Ready in {time.monotonic() - started:.1f} s.", highlight=False)
            _show(console, site, status)
    except KeyboardInterrupt:
        console.print("Stopped.")


def _start(console: Console, site: Site) -> None:
    if not site.places.founded():
        console.print(
            "First start: making keys [bold yellow]for demonstration only[/], the hub, its first "
            "release and a device. Real keys: docs/how-to/make-real-keys.md"
        )
        site.found()
    else:
        site.start_hub()
        site.start_gateway()
    site.start_device()
    site.supervisor.wait(site.device.name)
    # Also after a first start that was cut off before this; a second time changes nothing.
    if not site.places.offered():
        site.publish(site.maker.release(site.draft(_OFFERED)), offer=True)
        site.places.remember_offer()


def _show(console: Console, site: Site, status: Status) -> None:
    """Keep the screen true until somebody stops it."""
    if not console.is_terminal:
        shown = ""
        while True:
            site.supervisor.tend()
            rows, steps = status.rows(), status.steps()
            told = json.dumps([[row[:3] for row in rows], steps])
            if told != shown:
                shown = told
                screen.print_plain(console, rows, steps)
            time.sleep(1)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            site.supervisor.tend()
            live.update(screen.draw(status.rows(), status.steps(), status.notes()), refresh=True)
            time.sleep(1)


def _tour(console: Console, state: Path, points: int, *, as_json: bool) -> None:
    from holdfast.cli.demo.tour import run  # noqa: PLC0415 - long, and only needed here

    place = state / "tour"
    shutil.rmtree(place, ignore_errors=True)
    try:
        outcome = run(Places(place), console, points=points)
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(outcome, indent=2))
    if not outcome["holds"]:
        raise typer.Exit(1)
