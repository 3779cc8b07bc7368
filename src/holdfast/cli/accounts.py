"""`holdfast accounts`: try passwords against the rules, suggest some, make block lists."""

import getpass
import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.accounts.blocklist import builtin, layout, signature
from holdfast.accounts.blocklist.builder import TOP_ENTRIES, Builder, lines_of, must_be_called
from holdfast.accounts.blocklist.reader import BlockList
from holdfast.accounts.errors import BlockListError
from holdfast.accounts.policy import (
    Context,
    PasswordRefusedError,
    entropy_bits,
    must_be_usable,
    suggest_for,
)
from holdfast.accounts.policy.suggestion import FEWEST_WORDS, MOST_WORDS
from holdfast.cli.offers import nothing_offered
from holdfast.cli.outputs import must_take_file
from holdfast.cli.passphrases import Passphrases
from holdfast.core.errors import UsageError
from holdfast.core.files import write_whole
from holdfast.updates import keys

app = typer.Typer(
    help="Try passwords against the rules, suggest some, make block lists.", no_args_is_help=True
)
lists_app = typer.Typer(help="Make and show block lists.", no_args_is_help=True)
app.add_typer(lists_app, name="blocklist")

KEY_ROLE = "blocklist"
_MOST_TYPED = 64 * 1024
_PUBLIC_KEY = re.compile(r"[0-9a-fA-F]{64}")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Lists_ = Annotated[
    list[Path] | None,
    typer.Option(
        "--blocklist", exists=True, dir_okay=False, help="Further block list; may be repeated."
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Public key whose lists are believed, 64 digits; may be repeated."),
]


@app.command()
def check(  # noqa: PLR0913 - Typer makes an option of each argument
    *,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="The account has a second factor.")
    ] = False,
    user: Annotated[str, typer.Option(help="Name of the account.")] = "",
    email: Annotated[str, typer.Option(help="E-mail address of the person.")] = "",
    profile: Annotated[
        Path | None, typer.Option(help="Product profile: maker, product and model.")
    ] = None,
    host: Annotated[str, typer.Option(help="Name of the device in the network.")] = "",
    serial: Annotated[str, typer.Option(help="Serial number of the device.")] = "",
    blocklist: Lists_ = None,
    key: Keys = None,
    as_json: Json = False,
) -> None:
    """Say whether a password may be set, and why not; it is typed, or read from standard input."""
    context = _context(profile)._replace(user=user, email=email, host=host, serial=serial)
    lists = signature.opened(blocklist or [], _public(key))
    try:
        with nothing_offered():
            must_be_usable(_typed(), context, lists, second_factor=second_factor)
    except PasswordRefusedError as error:
        if not as_json:
            raise
        told = {"usable": False, "reason": error.reason, "message": str(error), "hint": error.hint}
        typer.echo(json.dumps(told))
        raise typer.Exit(error.exit_code) from error
    finally:
        lists.close()
    typer.echo(json.dumps({"usable": True}) if as_json else "It may be set.")


@app.command()
def suggest(
    *,
    words: Annotated[
        int, typer.Option(min=FEWEST_WORDS, max=MOST_WORDS, help="Words in each.")
    ] = FEWEST_WORDS,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many to make.")] = 1,
    as_json: Json = False,
) -> None:
    """Make passphrases of words chosen by chance."""
    lists = builtin.opened()
    try:
        made = [suggest_for(Context(), lists, words=words) for _ in range(count)]
    finally:
        lists.close()
    bits = round(entropy_bits(words), 1)
    if as_json:
        typer.echo(json.dumps({"passphrases": made, "entropy_bits": bits}))
        return
    for one in made:
        typer.echo(one)
    typer.echo(f"Each is one of 2 to the power of {bits:g}, all equally likely.", err=True)


@lists_app.command()
def build(  # noqa: PLR0913 - Typer makes an option of each argument
    out: Annotated[Path, typer.Argument(help="Block list to write.")],
    file: Annotated[
        list[Path],
        typer.Argument(help="Passwords, one in a line, the most frequent first; .xz and .gz too."),
    ],
    *,
    key: Annotated[Path, typer.Option(help="Key file to sign with, made for `blocklist`.")],
    name: Annotated[str, typer.Option(help="What the list is called, 1 to 32 characters.")],
    licence: Annotated[
        str, typer.Option(help="Licence under which it may be passed on.")
    ] = "LicenseRef-internal",
    top: Annotated[
        int, typer.Option(min=0, help="So many of each file are refused with changes, too.")
    ] = TOP_ENTRIES,
    defaults: Annotated[
        list[Path] | None,
        typer.Option(help="Passwords that devices are delivered with; may be repeated."),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option("--passphrase-file", help="File with the passphrase that only you can read."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Build a block list from files and sign it."""
    must_be_called(name, licence)
    must_take_file(out)
    public = keys.read_public(key)
    if public.role != KEY_ROLE:
        error = UsageError(f"{key} was made for {public.role}, not for {KEY_ROLE}")
        error.hint = f"Make one with `holdfast keys make --role {KEY_ROLE}`."
        raise error
    builder = Builder()
    for path in file:
        builder.add(lines_of(path), top=top)
    for path in defaults or []:
        builder.add_defaults(lines_of(path))
    built = builder.build(name=name, licence=licence)
    opened = Passphrases(passphrase_file).open(key, role=KEY_ROLE)
    signed = opened.signer.sign(signature.to_be_signed(built.content))
    raw_key, raw = bytes.fromhex(opened.public.public), bytes.fromhex(signed.signature)
    content = signature.with_signature(built.content, key=raw_key, signature=raw)
    write_whole(out, content)
    told = {"path": str(out), "size_bytes": len(content), "key": raw_key.hex()}
    if as_json:
        typer.echo(json.dumps(told | built.tally._asdict()))
        return
    typer.echo(f"{out}: {built.tally.kept} entries, {len(content)} bytes")
    typer.echo(
        f"Of {built.tally.read} lines {built.tally.too_short} are too short to be needed, and "
        f"{built.tally.left_out} cannot be typed.",
        err=True,
    )
    typer.echo(f"Name this key in the settings: {raw_key.hex()}", err=True)


@lists_app.command()
def show(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Block list.")],
    *,
    key: Keys = None,
    as_json: Json = False,
) -> None:
    """Say what a block list holds, whether it is whole, and who vouches for it."""
    known = _public(key)
    header = signature.header_of(file)
    signer = signature.signer_of(file)
    try:
        seal, trusted, told = signature.seal_of_signed(file, known), True, ""
    except BlockListError as error:
        seal, trusted, told = layout.seal_of(layout.packed(header)), False, str(error)
    BlockList(file, seal=seal).close()  # is it whole?
    published = builtin.PUBLISHED.get(seal, "")
    rows = {
        "name": header.name,
        "licence": header.licence,
        "entries": sum(section.entries for section in header.sections[layout.TOP :]),
        "most_common": header.sections[layout.TOP].entries,
        "delivered": header.sections[layout.DEFAULTS].entries,
        "size_bytes": header.size_bytes,
        "signed_by": signer,
        "published_by_holdfast": bool(published),
        "trusted": trusted,
    }
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        for title, value in rows.items():
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
            typer.echo(f"{title.replace('_', ' ')}: {shown}")
    if not trusted:
        typer.echo(told, err=True)
        raise typer.Exit(1)


def _public(keys_: list[str] | None) -> list[str]:
    for number, each in enumerate(keys_ or [], 1):
        if _PUBLIC_KEY.fullmatch(each) is None:
            error = UsageError(
                f"--key number {number} is not a public key of 64 hexadecimal digits"
            )
            error.hint = "`holdfast accounts blocklist show FILE` says who signed a list."
            raise error
    return keys_ or []


def _context(profile: Path | None) -> Context:
    if profile is None:
        return Context()
    from holdfast import product  # noqa: PLC0415 - most checks need no profile

    identity = product.read(profile).identity
    return Context(
        vendor=identity.vendor,
        product=identity.product,
        model=identity.model,
        others=(identity.name,),
    )


def _typed() -> str:
    """Ask at the terminal, or read one line; what is not UTF-8 becomes half characters."""
    if sys.stdin.isatty():
        try:
            return getpass.getpass("Password: ")
        except (EOFError, UnicodeDecodeError) as error:
            raise UsageError("no password was typed that is text") from error
    content = sys.stdin.buffer.read(_MOST_TYPED)
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    return line.decode(errors="surrogateescape")
