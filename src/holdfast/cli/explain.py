"""`holdfast explain RULE`: what a rule of the audit asks for, why, and what to do."""

import json
import textwrap
from collections.abc import Iterator
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from holdfast.audit.checks import Check, every
from holdfast.audit.report.standing import TITLES
from holdfast.audit.report.texts import visible
from holdfast.audit.rows import row_of
from holdfast.core.errors import UsageError

app = typer.Typer(add_completion=False)

_WIDEST: Final = 88

INTRODUCTION: Final = """\
# Rules of the audit

Written by `script/docs` from the rules themselves (`holdfast explain --as markdown`); change them
there. `holdfast explain RULE` prints one of them. How an image is judged by them:
[How to audit an image](../how-to/audit-an-image.md).

A rule fails with one finding of severity low or more that nobody waived. Rows of the requirement
register that a rule is evidence for stand beside it.
"""


class Form(StrEnum):
    """How rules are printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class RuleError(UsageError):
    """There is no such rule."""

    code = "audit-rule"

    def __init__(self, rule: str) -> None:
        super().__init__(f"there is no rule {visible(rule, most=60)!r}")
        near = get_close_matches(rule, every(), n=3, cutoff=0.5)
        near = near or [name for name in every() if rule and rule in name][:3]
        self.hint = (
            f"Did you mean {' or '.join(near)}?" if near else "`holdfast explain` lists them all."
        )


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="Id of a rule; all are listed without.")] = "",
    *,
    form: Annotated[Form, typer.Option("--as", help="For people, programs or the page.")] = (
        Form.TEXT
    ),
    as_json: Annotated[bool, typer.Option("--json", help="The same as `--as json`.")] = False,
) -> None:
    """Say what a rule of the audit asks for, why, and what to do; without one, list them all."""
    rules = every()
    if rule and rule not in rules:
        raise RuleError(rule)
    chosen = [rules[rule]] if rule else list(rules.values())
    if as_json or form is Form.JSON:
        told = [_described(each) for each in chosen]
        typer.echo(json.dumps(told[0] if rule else told, indent=2, ensure_ascii=False))
    elif form is Form.MARKDOWN:
        typer.echo("\n".join(page(chosen)))
    elif rule:
        _explain(chosen[0])
    else:
        _list(chosen)


def _described(check: Check) -> dict[str, object]:
    about = check.about
    return {
        "rule": check.rule,
        "title": about.title,
        "why": about.why,
        "fix": about.fix,
        "recommendation": about.recommendation,
        "severity": about.severity.value,
        "sources": list(about.sources),
        "rows": [row for row in map(row_of, about.sources) if row],
    }


def _explain(check: Check) -> None:
    about = check.about
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDEST
    console.width = min(console.width, _WIDEST)
    console.print(Text.assemble((check.rule, "bold cyan"), "  ", (about.title, "bold")))
    for title, text in (
        ("Why it matters", about.why),
        ("What to do", about.fix),
        ("Severity", about.severity.value),
        ("Recommendation", f"{about.recommendation}, {TITLES[about.recommendation]}"),
        ("Evidence for", ", ".join(about.sources)),
    ):
        console.print()
        console.print(Text(title, "cyan"))
        for line in textwrap.wrap(text, console.width - 2):
            console.print(Text(f"  {line}"))


def _list(checks: list[Check]) -> None:
    console = Console(highlight=False)
    widest = max((len(each.rule) for each in checks), default=0)
    for number, title in TITLES.items():
        own = [each for each in checks if each.about.recommendation == number]
        if not own:
            continue
        console.print(Text(f"{number} {title}", "bold"))
        for each in own:
            console.print(
                Text.assemble(
                    "  ",
                    (f"{each.rule:<{widest}}", "cyan"),
                    f"  {each.about.severity.value:<8}  {each.about.title}",
                ),
                soft_wrap=True,
            )
        console.print()


def page(checks: list[Check]) -> Iterator[str]:
    """Write the reference page, line by line."""
    yield INTRODUCTION
    for number, title in TITLES.items():
        own = [each for each in checks if each.about.recommendation == number]
        if not own:
            continue
        yield f"## {number} {title}"
        yield ""
        for each in own:
            about = each.about
            yield f'<a id="{each.rule}"></a>'
            yield f"### `{each.rule}`: {about.title}"
            yield ""
            yield f"**{about.severity.value.capitalize()}.** {about.why}"
            yield ""
            yield f"*What to do:* {about.fix}"
            yield ""
            yield f"*Evidence for:* {', '.join(about.sources)}"
            yield ""
