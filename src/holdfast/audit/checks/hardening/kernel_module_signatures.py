"""The kernel loads only modules that the maker has signed."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The kernel loads only modules that the maker has signed",
    why="Malware that has become root hides in the kernel by loading a module of its own.",
    fix="Set CONFIG_MODULE_SIG_FORCE and sign the modules, or build without modules.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(f)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the configuration; without it, at the modules themselves."""
    kernel = image.model.kernel
    signed: list[str] = []
    unsigned: list[str] = []
    for node in image.tree.files():
        facts = image.facts.get(image.digests.get(node.path, ""))
        if facts is not None and facts.module is not None:
            (signed if facts.module.signed else unsigned).append(node.path)
    config = dict(kernel.config)
    if kernel.config_where:
        if config.get("MODULES", "n") == "n":
            return
        if config.get("MODULE_SIG_FORCE") != "y" and not _is_locked_down(config):
            checked = config.get("MODULE_SIG") == "y"
            what = "signatures are checked, but a module without one is loaded all the same"
            yield Finding(
                where=kernel.config_where,
                what=f"CONFIG_MODULE_SIG_FORCE is not set: {what}"
                if checked
                else "CONFIG_MODULE_SIG is not set: any module is loaded",
            )
        return
    if unsigned:
        yield Finding(
            where=unsigned[0],
            what=f"{len(unsigned)} of {len(unsigned) + len(signed)} modules are not signed, "
            "so the kernel cannot insist on it",
        )
    elif signed:
        raise Undecided("all modules are signed; whether the kernel insists on it is not known")
    else:
        raise NotApplicable("there are neither modules nor a configuration of the kernel")


def _is_locked_down(config: dict[str, str]) -> bool:
    forced = ("LOCK_DOWN_KERNEL_FORCE_INTEGRITY", "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY")
    return any(config.get(name) == "y" for name in forced)
