"""`holdfast audit IMAGE...`: judge images, say what is wrong with them, write reports."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from holdfast.core.errors import UsageError

HELP: Final = (
    "Judge firmware images, root file systems, releases or this very system: exit 0 if they pass, "
    "1 if something fails, 3 if it could not be decided. Nothing of them is run."
)
_FILES: Final = "Files"
_WORK: Final = "How it is done"

Images = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="IMAGE...", help="Image, root file system, release, or a folder full of images."
    ),
]


def judge(  # noqa: PLR0913 - Typer makes an option of each argument
    images: Images = None,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Judge this running system; nothing is changed.")
    ] = False,
    product: Annotated[
        Path | None, typer.Option(help="Product profile: what is meant to be so, and waivers.")
    ] = None,
    db: Annotated[
        Path | None, typer.Option(help="Vulnerability data; your own unless told.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="Report of the last approved build, as JSON.")
    ] = None,
    known_keys: Annotated[
        list[Path] | None,
        typer.Option(help="List of further keys that are public knowledge; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, a line for each image.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for all forms of the report.", rich_help_panel=_FILES),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="The report as one page.", rich_help_panel=_FILES)
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="The report as JSON.", rich_help_panel=_FILES)
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option(help="Findings as SARIF 2.1.0.", rich_help_panel=_FILES)
    ] = None,
    sbom: Annotated[
        Path | None, typer.Option(help="Components as CycloneDX 1.6.", rich_help_panel=_FILES)
    ] = None,
    spdx: Annotated[
        Path | None, typer.Option(help="Components as SPDX 2.3.", rich_help_panel=_FILES)
    ] = None,
    vex: Annotated[
        Path | None,
        typer.Option(help="What vulnerabilities mean, as CycloneDX 1.6.", rich_help_panel=_FILES),
    ] = None,
    each: Annotated[
        bool,
        typer.Option("--each", help="Take folders for folders of images.", rich_help_panel=_WORK),
    ] = False,
    as_root: Annotated[
        bool,
        typer.Option("--as-root", help="Take folders for root systems.", rich_help_panel=_WORK),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(min=1, max=256, help="Images judged at once.", rich_help_panel=_WORK),
    ] = 1,
    scheduler: Annotated[
        str,
        typer.Option(help="Dask scheduler to judge with, tcp://HOST:PORT.", rich_help_panel=_WORK),
    ] = "",
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="What one image may cost: seconds, memory_bytes, unpacked_bytes, file_bytes, "
            "files, depth; may be repeated.",
            rich_help_panel=_WORK,
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what is known of contents; your own unless told.",
            rich_help_panel=_WORK,
        ),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep nothing.", rich_help_panel=_WORK)
    ] = False,
) -> None:
    """Judge images; see `HELP`."""
    # Loaded only now: help shall come at once.
    from holdfast.cli.audit import batch, terms  # noqa: PLC0415
    from holdfast.cli.audit.subjects import subjects  # noqa: PLC0415

    if live and images:
        raise UsageError("--live judges this system, and takes no image")
    if each and as_root:
        raise UsageError("--each and --as-root contradict each other")
    if cache is not None and no_cache:
        raise UsageError("--cache and --no-cache contradict each other")
    if not live and not images:
        raise UsageError("name an image, a folder, or --live")
    wanted = terms.Terms(
        live=live,
        settings=terms.settings(
            product=product, db=db, baseline=baseline, known_keys=known_keys or [],
            limit=limit or [], cache=cache, keep=not no_cache,
        ),
    )  # fmt: skip
    single = {
        "html": html, "report": report, "sarif": sarif, "sbom": sbom, "spdx": spdx, "vex": vex,
    }  # fmt: skip
    named = {name: path for name, path in single.items() if path is not None}
    found = [] if live else subjects(images or [], each=each, as_root=as_root)
    shown = batch.Shown(as_json=as_json, files=named, folder=out)
    if live or (len(found) == 1 and not scheduler and not each):
        sys.exit(batch.one(found[0] if found else Path("/"), wanted, shown))
    sys.exit(batch.many(found, wanted, shown, jobs=jobs, scheduler=scheduler))
