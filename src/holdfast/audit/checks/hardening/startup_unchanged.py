"""What starts is what was approved."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import StartUp
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The start-up is that of the last approved build, or somebody approved the change",
    why=(
        "A line more in inittab is all that a tampered build needs; no list of signatures knows it."
    ),
    fix="Look at each change; if it is meant, waive it once with a reason and approve this build.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.11", "EN 303 645 5.7-1", "CRA Annex I part I (2)(f)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare steps and their files with those of the baseline, whatever their line numbers."""
    if image.baseline is None:
        raise NotApplicable("no report of an approved build was given")
    before = image.baseline.model.start_up
    old_texts = _texts(before)
    for where, text in sorted(_texts(image.model.start_up) - old_texts):
        yield Finding(where=where, what=f"starts anew: {text}"[:200])
    old_files = {one.path: one.sha256 for one in image.baseline.files}
    old_programs = {step.program for step in before.steps}
    for path in sorted(_own_programs(image) - old_programs):
        if path not in old_files:
            yield Finding(where=path, what="a program that the approved build did not have")


def _texts(start_up: StartUp) -> set[tuple[str, str]]:
    return {(step.where.rpartition(":")[0] or step.where, step.text) for step in start_up.steps}


def _own_programs(image: Image) -> set[str]:
    return {step.program for step in image.model.start_up.steps if step.program}
