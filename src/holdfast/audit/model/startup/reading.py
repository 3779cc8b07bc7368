"""Start-up of one root file system as a whole."""

from collections.abc import Mapping

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.startup import demand, inits, vendor
from holdfast.audit.model.startup.system import System
from holdfast.audit.tree import Tree


def read(tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str]) -> System:
    """Follow everything that starts, is started on demand, or could be started."""
    system = System(tree, facts, digests)
    inits.read(system)
    demand.read(system)
    vendor.read(system)
    for path in system.files.unread:
        system.graph.cut_off(f"{path} is damaged, or too long to be followed")
    system.graph.finish()
    return system
