"""`holdfast device`: make, run and inspect a device on this machine."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.cli import device_accounts, device_label, device_reset
from holdfast.core.errors import UsageError
from holdfast.device import config as device_config
from holdfast.device import factory
from holdfast.device.broker import wire
from holdfast.device.certificate import in_groups
from holdfast.device.report import report
from holdfast.hardening.arguments import Argument, Choice, Number
from holdfast.hardening.arguments import Text as TextArgument
from holdfast.hardening.verbs import AGENT_VERBS, AUTH_VERBS, BROKER

app = typer.Typer(help="Make, run and inspect a device on this machine.", no_args_is_help=True)

_MEGABYTE = 1_000_000
_INTRODUCTION = """# Verbs that cross a privilege border on the device

<!-- Made by `holdfast device verbs` from `holdfast.hardening.verbs`; do not edit. -->

Each process answers on a unix socket of its own (`run/broker.sock`, `run/agent.sock`,
`run/auth.sock`; type `SOCK_SEQPACKET`). A packet is one JSON object of at most 4096 bytes:
`{"v": 1, "id": "...", "verb": "...", "args": {}}`, answered by `{"id": "...", "ok": {}}` or
`{"id": "...", "error": {"code": "...", "message": "...", "hint": "..."}}`. The kernel says who
calls; where all processes share one user, callers cannot be told apart, and
`holdfast device status` says so. `root` is whoever runs as user 0. There are no other verbs, and
no path, address or command ever crosses. All arguments of a verb are required, but for those
marked with `?`, which may be left out.

A verb that demands the owner's proof of its caller gets it as a fifth key, `"proof": "..."`. Auth
makes it (`account.prove`) after a password or a code was right. It holds for one verb with exactly
these arguments, for 60 seconds of the clock that only runs forward, and once; it says who
confirmed.
The key is fresh at each start of the launcher, which hands it to auth and broker alone."""
_ERRORS = """
## Codes of refusals

| code | means |
|---|---|
| `verb-malformed` | not a call: not JSON, too long, a key twice, unknown keys, a wrong type |
| `verb-unknown` | the table has no such verb |
| `verb-caller` | this caller may not use it |
| `verb-argument` | an argument is missing, unknown, of another type or out of bounds |
| `verb-rate` | used too often |
| `verb-proof` | the owner's proof is missing, was used, is too old, or is for something else |
| `account-slow-down` | too many wrong passwords or codes: the message says how long to wait |
| `accounts-busy` | another password is being checked; try again in a few seconds |
| `accounts-password` | the password may not be used; the message says why, the hint a way out |
| `account-code-wanted` | the account has a second factor: a code is needed as well |
| `account-second-set` | there is an app already, which has to be taken away first |
| `account-too-known` | an older product's password is right, but everybody tries it first |
| `account-...` | the call about an account was refused for the reason in the message |
| `busy` | an installation is under way, or too many connections are open |
| `slot-staging` | what the agent staged is missing, too large, no plain file, or not his own |
| `slot-unproven` | the running version is on trial; the other slot is its way back |
| `slot-nothing-ready` | no freshly installed version is waiting |
| `slot-not-trying` | the running version is not on trial |
| `slot-not-proven` | the launcher has not yet seen the running version healthy |
| `slot-verifier` | the verifier could not decide; never taken for a yes |
| `slot-unpack` | a verified image could not be written |
| `slot-state` | the state of the slots cannot be read |
| `no-space` | the disk is full; the running version is untouched |
| `update-...` | the release was refused by the verifier, for the reason in the message |

Every call is written to `broker/journal.jsonl` with user, process, verb and result. Reading calls
and refusals that repeat within a minute are counted (`"further": 57`) instead of written singly.
A slow verb is written twice: `begun`, and how it ended.
"""
_STATUS_S = 5.0

Config = Annotated[Path, typer.Option("--config", "-c", help="device.toml in the device's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def run(config: Config = Path("device.toml")) -> None:
    """Run a device in the foreground until Ctrl-C."""
    if not config.is_file():
        error = UsageError(f"there is no file {config}")
        error.hint = "Make a device with `holdfast device new`."
        raise error
    words = [sys.executable, "-I", "-m", "holdfast.device.launcher", "--config", str(config)]
    sys.stdout.flush()
    os.execv(words[0], words)  # noqa: S606 - it becomes the launcher, without what it imported


@app.command()
def status(config: Config = Path("device.toml"), *, as_json: AsJson = False) -> None:
    """Show slots, versions, processes with their memory, and which protection is missing."""
    told = report(device_config.read(config).folder)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        _show(told)
    if told["fault"] or not told["running"]:
        raise typer.Exit(1)


def _show(told: dict[str, Any]) -> None:
    console = Console()
    if told["fault"]:
        console.print(Text(f"The state of the slots is lost: {told['fault']}.", "red"))
    else:
        word = "runs" if told["running"] else "is stopped; it last ran"
        console.print(f"The device {word} version {told['version']} from slot {told['booted']}.")
    if told.get("note"):
        console.print(Text(told["note"], "yellow"))
    slots = Table("slot", "state", "version", "why", box=None, padding=(0, 2, 0, 0))
    for name, slot in told.get("slots", {}).items():
        slots.add_row(name, slot["state"], slot["version"], Text(slot["reason"]))
    console.print(slots)
    _show_ownership(console, told)
    processes = Table("process", "pid", "user", "memory", box=None, padding=(0, 2, 0, 0))
    for process in told["processes"]:
        size = f"{process['rss_bytes'] / _MEGABYTE:.1f} MB" if process["running"] else "-"
        pid = str(process["pid"]) if process["running"] else "-"
        processes.add_row(process["name"], pid, str(process["uid"]), size)
    processes.add_row("together", "", "", f"{told['rss_bytes'] / _MEGABYTE:.1f} MB")
    console.print(processes)
    missing = [
        f"{process['name']}: {words}"
        for process in told["processes"]
        if process["running"]
        for words in process["missing"]
    ]
    if missing:
        console.print(Text("Missing protection", "bold yellow"))
        for words in missing:
            console.print(Text(f"  {words}", "yellow"))
    elif told["running"]:
        console.print(Text("No protection is missing.", "green"))


def _show_ownership(console: Console, told: dict[str, Any]) -> None:
    if told["reset_ordered"]:
        console.print(Text("A factory reset is ordered: the next start erases the owner.", "red"))
    if not told["claimed"]:
        console.print("Nobody has claimed it: only its claim page answers.")
    if told["sha256"]:
        console.print(f"Certificate of its pages, SHA-256: {in_groups(told['sha256'])}")


@app.command()
def ask(
    verb: Annotated[str, typer.Argument(help="A verb, such as status or slot.rollback.")],
    args: Annotated[str, typer.Argument(help="Its arguments as a JSON object.")] = "{}",
    config: Config = Path("device.toml"),
    *,
    of: Annotated[str, typer.Option(help="broker, agent or auth.")] = "broker",
    timeout_s: Annotated[float, typer.Option(help="Seconds to wait.")] = _STATUS_S,
) -> None:
    """Ask a process of the device for one verb; for service and for tests."""
    settings = device_config.read(config)
    sockets = {
        "broker": settings.broker_socket,
        "agent": settings.agent_socket,
        "auth": settings.auth_socket,
    }
    try:
        parsed = json.loads(args)
    except ValueError as error:
        raise UsageError("the arguments are not JSON") from error
    if of not in sockets or not isinstance(parsed, dict):
        raise UsageError("say broker, agent or auth, and give the arguments as an object")
    typer.echo(json.dumps(wire.call(sockets[of], verb, parsed, timeout_s), indent=2))


@app.command()
def verbs() -> None:
    """Print every verb that crosses a privilege border, as the reference page shows them."""
    typer.echo(reference(), nl=False)


def reference() -> str:
    """Write docs/reference/broker-verbs.md from the tables that are enforced."""
    lines = [_INTRODUCTION]
    tables = (("Broker", BROKER), ("Agent", AGENT_VERBS), ("Auth", AUTH_VERBS))
    for title, table in tables:
        lines += [
            "",
            f"## {title}",
            "",
            "| verb | does | arguments | callers | proof of | at most |",
            "|---|---|---|---|---|---|",
        ]
        for name, verb in table.items():
            args = "; ".join(
                f"`{key}`{'?' if key in verb.optional else ''}: {_argument(rule)}"
                for key, rule in verb.args.items()
            )
            proof_of = ", ".join(sorted(verb.proof_of)) or "-"
            callers = ", ".join(sorted(verb.callers))
            rate = f"{verb.calls} in {verb.per_s:g} s"
            cells = (f"`{name}`", verb.purpose, args or "-", callers, proof_of, rate)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, _ERRORS])


def _argument(rule: Argument) -> str:
    match rule:
        case Number():
            return f"whole number, {rule.lowest} to {rule.highest}"
        case Choice():
            return f"one of {', '.join(rule.words)}"
        case TextArgument():
            secret = ", never logged" if rule.secret else ""
            return f"text, at most {rule.longest} characters{secret}"


@app.command()
def new(  # noqa: PLR0913 - each is an option of the command line
    *,
    folder: Annotated[Path, typer.Option(help="Where; must not exist, or be empty.")],
    product: Annotated[Path, typer.Option(help="The product profile, product.toml.")],
    hub_url: Annotated[str, typer.Option(help="Base URL of the gateway.")],
    controller_id: Annotated[str, typer.Option(help="Name under which the hub knows it.")],
    token_file: Annotated[Path, typer.Option(help="File with its token for the gateway.")],
    root: Annotated[Path, typer.Option(help="First root of trust, 1.root.json.")],
    image: Annotated[Path, typer.Option(help="First software, a squashfs image.")],
    version: Annotated[str, typer.Option(help="Version of the image, such as 1.0.")],
    hardware: Annotated[str, typer.Option(help="Hardware revision.")] = "a",
    gui_listen: Annotated[str | None, typer.Option(help="Host and port of its pages.")] = None,
    page_listen: Annotated[str | None, typer.Option(help="Host and port of its software.")] = None,
    label: Annotated[
        Path | None, typer.Option(help="Write the label to this .svg, .txt or .json file.")
    ] = None,
    poll_s: Annotated[int | None, typer.Option(help="Seconds between polls.")] = None,
    health_s: Annotated[int | None, typer.Option(help="Seconds to prove a new version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a device as the factory would, and print its one-time set-up code."""
    if label is not None:
        device_label.must_be_writable(label)
    wanted = {
        "gui_listen": gui_listen,
        "page_listen": page_listen,
        "poll_s": poll_s,
        "health_s": health_s,
    }
    made = factory.make(
        factory.Order(
            folder=folder,
            profile=product,
            hub_url=hub_url,
            controller_id=controller_id,
            token=factory.read_token(token_file),
            root=root,
            image=image,
            version=version,
            hardware=hardware,
            settings={name: value for name, value in wanted.items() if value is not None},
        )
    )
    if label is not None:
        device_label.write(made, label)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), **made.plain()}))
    else:
        typer.echo(f"Set-up code, printed this once: {made.code}")
        typer.echo(f"Certificate, SHA-256: {in_groups(made.sha256)}")


app.command()(device_label.label)
app.command()(device_reset.reset)
app.add_typer(device_accounts.app, name="accounts")
