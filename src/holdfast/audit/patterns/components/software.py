"""One piece of software that is met in products, and how it is told from others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    r"""A row of the tables of components.

    A file is the software's *own* when its name, soname or exported functions say so; any other
    file in which `strings` are found holds a copy, or is a renamed program.

    Attributes:
        name: As its makers call it, lower case.
        cpe: `vendor:product` as the NVD writes them, the usual one first; none if it has no entry.
        strings: Expressions that only this software contains, wherever they stand; with a group
            `version` where the text has one.
        header_strings: Expressions for what its header files put into programs that use it; in a
            program that asks for its libraries they say nothing of what runs.
        own_strings: Expressions that others may quote too, so only its own files count.
        bare: What a version standing alone in its own file looks like, an expression over text.
        newest: Whether of several such versions the newest is its own, because it speaks of older
            ones with which it can work.
        programs: Names of its programs, with `*`.
        libraries: How its libraries' names begin, up to `.so` or `-`.
        symbols: Exported functions that give it away, any of them.
        file: Expression over a file's name with a group `version`.
        named: Whether what stands behind `.so.` in a library's file name is the version.
        series: First number of the version where a GNOME library counts `.so.0.7400.6` for 74.6.
        text: Whether it is a script library, so that texts count.
        packages: How package databases call it, if not by its name.
        part: Of the CPE: `a` application, `o` operating system.
        verified: Whether its texts were seen in a real binary, see
            `tests/audit/facts/test_components.py`.
    """

    name: str
    cpe: tuple[str, ...] = ()
    strings: tuple[bytes, ...] = ()
    header_strings: tuple[bytes, ...] = ()
    own_strings: tuple[bytes, ...] = ()
    bare: str = ""
    newest: bool = False
    programs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    file: str = ""
    named: bool = False
    series: str = ""
    text: bool = False
    packages: tuple[str, ...] = ()
    part: str = "a"
    verified: bool = True
