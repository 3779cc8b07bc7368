"""`holdfast product`: write, check and show the product profile."""

import json
import re
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast import product
from holdfast.core import clock
from holdfast.core.config import Fault
from holdfast.core.errors import UsageError
from holdfast.product import Profile, ProfileError, ProfileExistsError, Starter
from holdfast.product.behaviour import Service
from holdfast.product.schema import json_schema, reference

app = typer.Typer(
    help="Write, check and show the product profile.",
    no_args_is_help=True,
    add_completion=False,
)

FINDINGS = 1
USAGE = 2

_ANSWERS = {
    "identity.vendor": "--vendor",
    "identity.product": "--product",
    "identity.name": "--name",
    "identity.model": "--model",
    "identity.hardware": "--hardware",
    **{f"identity.hardware[{index}]": "--hardware" for index in range(32)},
}

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class Form(StrEnum):
    """What `schema` prints."""

    JSON = "json"
    MARKDOWN = "markdown"


@app.command()
def init(
    *,
    path: Annotated[Path, typer.Argument(help="File, or folder for product.toml.")] = Path(
        "product.toml"
    ),
    vendor: Annotated[str | None, typer.Option(help="The maker, as on the label.")] = None,
    name: Annotated[str | None, typer.Option(help="Product name for people.")] = None,
    product_id: Annotated[
        str | None, typer.Option("--product", help="Product name for programs; never changes.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model number; else the name.")] = None,
    hardware: Annotated[
        list[str] | None, typer.Option(help="Hardware revision; may be repeated. Default a.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="The maker's domain.")] = None,
    as_json: Json = False,
) -> None:
    """Write a new, commented profile that is in order; never over another file."""
    if path.is_dir():
        path /= "product.toml"
    if path.exists():
        raise ProfileExistsError(f"{path} exists already and was left as it is")
    vendor = vendor or _asked("Maker, as on the label", option="--vendor")
    name = name or _asked("Product name for people", option="--name")
    product_id = product_id or _asked(
        "Product name for programs", option="--product", default=_id_from(name)
    )
    site = site or _asked("The maker's domain, such as example.com", option="--site")
    starter = Starter(
        vendor=vendor,
        product=product_id,
        name=name,
        model=model or name,
        hardware=hardware or ["a"],
        markets=["EU"],
        site=site,
        since=clock.now().date(),
    )
    try:
        product.write_new(path, starter)
    except ProfileError as error:
        # The lines are those of a file that was not written: name the answers instead.
        wrong = {_ANSWERS.get(fault.key, "--site"): fault.reason for fault in error.faults}
        reasons = "\n".join(f"{option}: {reason}" for option, reason in wrong.items())
        raise UsageError(f"no profile was written\n{reasons}") from error
    if as_json:
        typer.echo(json.dumps({"path": str(path), "product": product_id}))
    else:
        typer.echo(path)
        typer.echo("Now read it through: services, personal data, endpoints.", err=True)


@app.command()
def check(
    *,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Profiles; product.toml unless told.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Name every fault of a profile with its line: exit 0 in order, 1 faults, 2 unreadable."""
    results = {path: _faults_of(path) for path in paths or [Path("product.toml")]}
    faults = [fault for found in results.values() for fault in found]
    if as_json:
        answer = [
            {"file": str(path), "ok": not found, "faults": [asdict(fault) for fault in found]}
            for path, found in results.items()
        ]
        typer.echo(json.dumps(answer, indent=2))
    elif sys.stdout.isatty():
        _print_faults(faults)
    else:
        for fault in faults:
            typer.echo(str(fault))
    if not as_json:
        for path, found in results.items():
            verdict = "in order" if not found else f"{len(found)} fault{'s'[: len(found) > 1]}"
            typer.echo(f"{path}: {verdict}", err=True)
    if faults:
        raise typer.Exit(USAGE if any(fault.line == 0 for fault in faults) else FINDINGS)


@app.command()
def show(
    *,
    path: Annotated[Path, typer.Argument(help="Profile.")] = Path("product.toml"),
    as_json: Json = False,
) -> None:
    """Sum up a profile for people."""
    profile = product.read(path)
    if as_json:
        typer.echo(json.dumps(asdict(profile), indent=2, default=str, ensure_ascii=False))
        return
    console = Console()
    for title, rows in _summary(profile):
        table = Table(title=Text(title), title_justify="left", show_header=False, box=None)
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for left, right in rows:
            table.add_row(Text(left), Text(right))
        console.print(table)
        console.print()


@app.command()
def schema(
    *,
    form: Annotated[
        Form, typer.Option("--as", help="JSON Schema for editors, or Markdown for people.")
    ] = Form.JSON,
) -> None:
    """Print what a profile may say, drawn from the same types that check it."""
    if form is Form.MARKDOWN:
        typer.echo(reference(), nl=False)
    else:
        typer.echo(json.dumps(json_schema(), indent=2))


def _asked(question: str, *, option: str, default: str | None = None) -> str:
    if not sys.stdin.isatty():
        if default is not None:
            return default
        error = UsageError(f"{option} is missing, and there is no terminal to ask at")
        error.hint = f"Give it as an option: {option} ..."
        raise error
    answer: str = typer.prompt(question, default=default, err=True)
    return answer.strip()


def _id_from(name: str) -> str:
    """Guess a product's name for programs from its name for people."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).rstrip("-").lstrip("-0123456789")
    return words[:31].rstrip("-") or "device"


def _faults_of(path: Path) -> tuple[Fault, ...]:
    try:
        product.read(path)
    except ProfileError as error:
        return error.faults
    return ()


def _print_faults(faults: list[Fault]) -> None:
    if not faults:
        return
    table = Table(show_lines=False)
    table.add_column("where", style="cyan", overflow="fold")
    table.add_column("key", overflow="fold")
    table.add_column("what is wrong", overflow="fold")
    for fault in faults:
        where = f"{fault.file}:{fault.line}" if fault.line else fault.file
        reason = Text(fault.reason)
        if fault.nearest:
            reason.append(f"\ndid you mean {fault.nearest}?", style="green")
        table.add_row(Text(where), Text(fault.key), reason)
    Console().print(table)


def _service_line(service: Service) -> str:
    if service.default == "absent":
        return "absent"
    switch = ", the owner can switch it" if service.switchable else ""
    return f"{service.default}{switch} · {service.protocol} {service.port} · {service.purpose}"


def _summary(profile: Profile) -> list[tuple[str, list[tuple[str, str]]]]:
    who, updates = profile.identity, profile.updates
    later = ", ".join(f"{severity} {days}" for severity, days in updates.later_days.items())
    gui = profile.gui
    return [
        (
            who.name if who.name.startswith(who.vendor) else f"{who.vendor} {who.name}",
            [
                ("product", f"{who.product}, model {who.model}"),
                ("hardware", ", ".join(who.hardware)),
                ("markets", ", ".join(who.markets)),
                ("platform", f"{profile.platform.name} {profile.platform.version}"),
                ("support", f"{profile.support.since} to {profile.support.until}"),
                ("signatures", f"{profile.keys.signatures} of {', '.join(profile.keys.signers)}"),
                ("report to", profile.disclosure.contact),
            ],
        ),
        ("What listens", [(one.name, _service_line(one)) for one in profile.services]),
        (
            "Administration",
            [
                ("pages", f"as {gui.user}, in a {gui.confinement}" if gui else "none"),
                ("log in by", ", ".join(profile.accounts.methods)),
                ("roles", ", ".join(profile.accounts.roles)),
            ],
        ),
        (
            "Updates",
            [
                ("consent", f"{updates.consent}, window {updates.window}"),
                ("put off", f"{later} days at most"),
                ("health", f"{updates.health_s} seconds to prove itself"),
                ("channels", ", ".join(updates.channels)),
            ],
        ),
        (
            "About people",
            [
                (one.field, f"{one.where} · {one.basis} · {one.retention} · {one.purpose}")
                for one in profile.personal_data
            ]
            or [("nothing", "is kept")],
        ),
        (
            "Whom it calls",
            [(f"{one.host}:{one.port}/{one.protocol}", one.purpose) for one in profile.endpoints],
        ),
        (
            "What it perceives",
            [(one.name, f"{one.kind} · {one.purpose}") for one in profile.sensors]
            or [("nothing", "no sensors")],
        ),
        (
            "What the audit does not hold against it",
            [
                (one.rule, f"{one.place} · until {one.until} · {one.who}: {one.reason}")
                for one in profile.waivers
            ]
            or [("nothing", "is waived")],
        ),
    ]
