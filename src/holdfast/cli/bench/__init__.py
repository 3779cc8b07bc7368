"""`holdfast bench`: measures, and prints figures as JSON. One module for each subject."""

import typer

from holdfast.cli.bench import accounts, audit, demo, gateway

app = typer.Typer(
    help="Measure, and print figures as JSON.", no_args_is_help=True, add_completion=False
)
app.command("gateway")(gateway.bench)
app.command("demo")(demo.bench)
app.command("audit")(audit.bench)
app.command("accounts")(accounts.bench)


@app.callback()
def _root() -> None:
    """Measure, and print figures as JSON."""
