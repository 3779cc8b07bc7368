"""`holdfast audit schema`: what a report may say, for programs that read it."""

import typer

from holdfast.audit.report.schema import page

app = typer.Typer(add_completion=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a report."""
    typer.echo(page(), nl=False)
