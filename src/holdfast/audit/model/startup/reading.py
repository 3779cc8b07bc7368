"""Start-up of one root file system as a whole."""

from collections.abc import Mapping
from typing import Final

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.shapes import Started
from holdfast.audit.model.startup import demand, inits, jobs, vendor
from holdfast.audit.model.startup.system import System
from holdfast.audit.tree import Tree

MOST_OPAQUE: Final = 16


def read(tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str]) -> System:
    """Follow everything that starts, is started on demand, or could be started."""
    system = System(tree, facts, digests)
    inits.read(system)
    jobs.read(system)
    demand.read(system)
    vendor.read(system)
    _note_opaque(system)
    for path in system.files.unread:
        system.graph.cut_off(f"{path} is damaged, or too long to be followed")
    system.graph.finish()
    return system


def _note_opaque(system: System) -> None:
    """Note the programs that run as shipped and do not show what they call."""
    for number, launch in system.graph.launches.items():
        step = system.graph.steps[number]
        if step.started in {Started.STARTABLE, Started.NO} or not step.program:
            continue
        if len(system.graph.opaque) < MOST_OPAQUE and system.programs.is_opaque(
            launch.name, step.program
        ):
            system.graph.opaque[step.program] = None
