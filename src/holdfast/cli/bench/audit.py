"""How long `holdfast audit` takes, how much memory, and how much of what is there it finds."""

import hashlib
import json
import os
import platform
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.cli.bench import debian, machine, peers, truth
from holdfast.cli.bench.errors import BenchError
from holdfast.cli.bench.laying import lay_out
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run

COLD_GOAL_S: Final = 10.0
WARM_GOAL_S: Final = 2.0
LARGE_GOAL_S: Final = 20.0
LARGE_BYTES: Final = 100_000_000
RSS_GOAL_MB: Final = 400.0
_LONGEST_S: Final = 600.0
_DATABASE: Final = Path("var/bench/vulnerabilities.sqlite3")
_HOLDFAST: Final = (sys.executable, "-I", "-m", "holdfast.cli")

Figures = dict[str, Any]


def bench(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="Their median counts.")] = 3,
    beside: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Measure other tools beside it.")
    ] = True,
    large: Annotated[
        bool, typer.Option("--large/--no-large", help="Also measure 100 MB of Debian packages.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Judge real images and a large one, cold and warm, and compare with what is known of them."""
    note = Console(stderr=True, quiet=as_json)
    figures: Figures = {"machine": _machine()}
    _compile()
    data = _data(note)
    figures["vulnerability_data"] = str(data) if data else f"{truth.VULNERABILITIES} is not here"
    figures["images"] = {
        known.name: _of_image(known, data, note, rounds=rounds, beside=beside)
        for known in truth.EVERY
    }
    if large:
        figures["large"] = _of_large(data, note, rounds=rounds, beside=beside)
    figures["truth"] = _sum(figures["images"])
    figures["holds"] = _holds(figures)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
    else:
        _show(figures)
    if figures["holds"] is False:
        raise typer.Exit(1)


def _machine() -> Figures:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "cpu_busy_before": machine.busy(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _compile() -> None:
    """Compile our modules, as an installer does; the confined child may not write them."""
    run([sys.executable, "-m", "compileall", "-q", Path(__file__).parents[2]], timeout_s=120)


def _data(note: Console) -> Path | None:
    """Import the published data beside the project, once."""
    files = sorted(truth.VULNERABILITIES.glob("*.xz"))
    if not files:
        return None
    if not _DATABASE.is_file():
        note.print("importing vulnerability data")
        _DATABASE.parent.mkdir(parents=True, exist_ok=True)
        run(
            [*_HOLDFAST, "audit", "db", "import", "--db", _DATABASE, *files],
            timeout_s=_LONGEST_S, env=dict(os.environ), check=False,
        )  # fmt: skip
    return _DATABASE if _DATABASE.is_file() else None


# --- one image --------------------------------------------------------------------------------


def _of_image(
    known: truth.Known, data: Path | None, note: Console, *, rounds: int, beside: bool
) -> Figures:
    if not known.path.is_file():
        return {"missing": f"{known.path} is not here"}
    content = known.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != known.sha256:
        return {"missing": f"{known.path} is another file"}
    note.print(f"judging {known.name}")
    figures, report = _judged(known.path, data, rounds=rounds, goal_s=COLD_GOAL_S)
    figures["truth"] = _truth(known, report, data)
    if beside:
        note.print(f"other tools on {known.name}")
        figures["binwalk"] = peers.binwalk(known.path)
        with TemporaryDirectory(prefix="holdfast-bench-") as name:
            figures["cve-bin-tool"] = peers.cve_bin_tool(lay_out(known.path, Path(name)))
        ours = {f"{one.name} {one.version}" for one in report.model.components}
        wanted = [f"{one} {version}" for one, version in known.components]
        theirs = set(figures["cve-bin-tool"].get("components", ()))
        figures["named_components"] = {
            "expected": len(wanted),
            "holdfast": sum(one in ours for one in wanted),
            "cve-bin-tool": sum(_alike(one, theirs) for one in wanted),
        }
    return figures


_ALIASES: Final = {
    "linux": "linux_kernel",
    "dropbear": "dropbear_ssh",
    "ppp": "point-to-point_protocol",
}


def _alike(wanted: str, theirs: set[str]) -> bool:
    """Tell whether another tool named it; the beginning of the version is enough."""
    name, _, version = wanted.partition(" ")
    names = {name, _ALIASES.get(name, name)}
    told = [one.rpartition(" ") for one in theirs]
    return any(one in names and version.startswith(number) for one, _, number in told)


def _judged(
    image: Path, data: Path | None, *, rounds: int, goal_s: float
) -> tuple[Figures, Report]:
    """Judge an image cold and warm, and once more with an eye on the memory."""
    cold: list[float] = []
    warm: list[float] = []
    with TemporaryDirectory(prefix="holdfast-bench-") as name:
        folder = Path(name)
        out = folder / "report.json"
        for number in range(rounds - 1):
            cache = folder / f"cache-{number}"
            cold.append(_once(image, data, cache, out).seconds)
            warm.append(_once(image, data, cache, out).seconds)
        first = _once(image, data, folder / "cache", out)
        cold.append(first.seconds)
        parts = document.read(out).seconds
        second = _once(image, data, folder / "cache", out)
        warm.append(second.seconds)
        report = document.read(out)
        watched = _once(image, data, folder / "cache-watched", out, watch=True)
        most_mb = watched.rss_mb or 0.0
    figures: Figures = {
        "size_bytes": image.stat().st_size,
        "outcome": report.outcome,
        "complete": report.opened.complete,
        "cold_s": {
            **_limited(round(median(cold), 2), goal_s),
            "rounds": cold, "cpu_s": first.cpu_seconds, "parts": parts,
        },
        "warm_s": {
            **_limited(round(median(warm), 2), WARM_GOAL_S if goal_s == COLD_GOAL_S else goal_s),
            "rounds": warm, "cpu_s": second.cpu_seconds, "parts": report.seconds,
            "from_cache": list(report.cached),
        },
        "rss_mb": {**_limited(most_mb, RSS_GOAL_MB), "processes": watched.processes},
    }  # fmt: skip
    return figures, report


def _once(
    image: Path, data: Path | None, cache: Path, out: Path, *, watch: bool = False
) -> machine.Run:
    command: list[str | Path] = [*_HOLDFAST, "audit", image, "--cache", cache, "--report", out]
    command += ["--db", data] if data else []
    out.unlink(missing_ok=True)
    done = machine.timed(command, timeout_s=_LONGEST_S, watch=watch)
    if not out.is_file():
        last = done.stderr.decode(errors="replace").strip()[-300:]
        raise BenchError(f"{image.name} could not be judged: {last}")
    return done


def _limited(value: float, limit: float) -> Figures:
    return {"value": value, "limit": limit, "holds": value < limit}


def _truth(known: truth.Known, report: Report, data: Path | None) -> Figures:
    asked = [fact for fact in known.facts if data or not fact.needs_data]
    missing = [f"{fact.row}: {fact.what}" for fact in asked if not fact.found(report)]
    return {
        "found": len(asked) - len(missing), "expected": len(asked), "missing": missing,
        "not_asked": [fact.what for fact in known.facts if fact not in asked],
    }  # fmt: skip


# --- a large one ------------------------------------------------------------------------------


def _of_large(data: Path | None, note: Console, *, rounds: int, beside: bool) -> Figures:
    note.print("making a root file system of Debian packages")
    try:
        made = debian.made()
    except HoldfastError as error:
        return {"missing": str(error)}
    note.print("judging it")
    figures, report = _judged(made.image, data, rounds=rounds, goal_s=LARGE_GOAL_S)
    figures |= {
        "content_bytes": made.size_bytes,
        "large_enough": made.size_bytes >= LARGE_BYTES,
        "files": made.files,
        "packages": list(made.packages),
        "components": len(report.model.components),
    }
    if beside:
        note.print("other tools on it")
        figures["binwalk"] = peers.binwalk(made.image)
        figures["cve-bin-tool"] = peers.cve_bin_tool(made.tree)
    return figures


# --- the sum of it ----------------------------------------------------------------------------


def _sum(images: Figures) -> Figures:
    told = [one["truth"] for one in images.values() if "truth" in one]
    return {
        "found": sum(one["found"] for one in told),
        "expected": sum(one["expected"] for one in told),
        "images": len(told),
    }


def _holds(figures: Figures) -> bool | None:
    """Tell whether every figure holds; None if not all could be measured."""
    measured = [*figures["images"].values(), *([figures["large"]] if "large" in figures else [])]
    there = [one for one in measured if "missing" not in one]
    for one in there:
        if not all(one[name]["holds"] for name in ("cold_s", "warm_s", "rss_mb")):
            return False
        if not one.get("large_enough", True):
            return False
    if figures["truth"]["found"] != figures["truth"]["expected"]:
        return False
    return True if len(there) == len(measured) == len(truth.EVERY) + 1 else None


def _show(figures: Figures) -> None:
    heads = ("image", "cold", "warm", "memory", "truth", "binwalk", "cve-bin-tool")
    table = Table(*heads, box=None, padding=(0, 2, 0, 0))
    rows = {
        **figures["images"],
        **({"100 MB of Debian": figures["large"]} if "large" in figures else {}),
    }
    for name, one in rows.items():
        if "missing" in one:
            table.add_row(name, one["missing"])
            continue
        told = one.get("truth")
        table.add_row(
            name,
            _worded(one["cold_s"], "s"), _worded(one["warm_s"], "s"), _worded(one["rss_mb"], "MB"),
            f"{told['found']} of {told['expected']}" if told else "",
            _peer(one.get("binwalk")), _peer(one.get("cve-bin-tool")),
        )  # fmt: skip
    Console().print(table)
    for one in figures["images"].values():
        for missing in one.get("truth", {}).get("missing", ()):
            Console().print(f"not found: {missing}", markup=False)


def _worded(figure: Figures, unit: str) -> str:
    mark = "" if figure["holds"] else " !"
    return f"{figure['value']} {unit} (< {figure['limit']:g}){mark}"


def _peer(figures: Figures | None) -> str:
    if not figures:
        return ""
    return f"{figures['seconds']} s" if "seconds" in figures else "could not run"
