"""The report as one page that needs nothing else: no server, no network, no other file."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from holdfast.audit.errors import amount
from holdfast.audit.report.page.views import view
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import age, day, number, size, visible, whole

_FOLDER: Final = Path(__file__).parent
_MOST_LETTERS: Final = 600
"""Of one text of the image; the report as JSON has it whole."""


def render(report: Report) -> bytes:
    """Write the page.

    Every text passes `visible` and is escaped. The page lets the browser run and fetch nothing but
    its own style and script, which it names by their digests.
    """
    style, script = _text("page.css"), _text("page.js")
    page = (
        _templates()
        .get_template("page.html")
        .render(
            view=view(report),
            report=report,
            policy=policy(),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
        )
    )
    return whole(page).encode()


def policy() -> str:
    """Give the Content-Security-Policy that the page states; whoever serves it says it too."""
    style, script = _digest(_text("page.css")), _digest(_text("page.js"))
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _shown(value: Any) -> Any:  # noqa: ANN401 - whatever a template writes
    """Make every text of the image harmless before it is escaped; our own markup stays."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value, most=_MOST_LETTERS)
    return value


def _marked(text: str) -> Markup:
    """Show what a rule writes in backquotes as code."""
    parts = (Markup.escape(visible(part, most=_MOST_LETTERS)) for part in text.split("`"))
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(each) if odd % 2 else each for odd, each in enumerate(parts))


@cache
def _templates() -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(
        size=size, day=day, number=number, age=age, marked=_marked, amount=amount
    )
    return templates
