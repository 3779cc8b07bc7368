"""Load made by wrk, a program that asks faster than any server here answers."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from holdfast.core.process import ProgramError, run

_SCRIPT = """\
math.randomseed(os.time())
local first, last = {first}, {last}
local form = "GET {path} HTTP/1.1\\r\\nHost: localhost\\r\\n{header}\\r\\n"
request = function()
  local n = math.random(first, last)
  return string.format(form, {arguments})
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nFIGURES {{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,'
    .. '"most_us":%d,"refused":%d,"failed":%d}}\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max, e.status,
    e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a load test found.

    Attributes:
        per_s: Answers a second.
        p50_ms: Half of the answers took no longer.
        p99_ms: Of a hundred answers 99 took no longer.
        errors: Answers other than 2xx and 3xx, and connections that failed.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def script(folder: Path, *, first: int, last: int, path: str, token: str = "") -> Path:
    """Write a script that asks for random devices.

    Args:
        folder: Where to.
        first: Number of the first device.
        last: Number of the last one.
        path: With one `%0Nd` for the number.
        token: The same for the device's token; empty sends none.
    """
    header = f"Authorization: TargetToken {token}\\r\\n" if token else ""
    place = folder / "poll.lua"
    place.write_text(
        _SCRIPT.format(
            first=first,
            last=last,
            path=path,
            header=header,
            arguments="n, n" if token else "n",
        )
    )
    return place


def load(url: str, lua: Path, *, seconds: int, connections: int) -> Load:
    """Ask as fast as answers come.

    Raises:
        ProgramError: wrk is missing or failed.
    """
    if shutil.which("wrk") is None:
        missing = ProgramError("wrk is not installed")
        missing.hint = "Install the Debian package wrk."
        raise missing
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    done = run([*command, "-s", lua, url], timeout_s=seconds + 30)
    line = next(one for one in done.stdout.splitlines() if one.startswith(b"FIGURES "))
    figures = json.loads(line.removeprefix(b"FIGURES "))
    return Load(
        per_s=round(figures["requests"] / (figures["duration_us"] / 1e6), 1),
        p50_ms=round(figures["p50_us"] / 1000, 2),
        p99_ms=round(figures["p99_us"] / 1000, 2),
        errors=figures["refused"] + figures["failed"],
    )
