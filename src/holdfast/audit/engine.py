"""Judges an opened image: facts, model, vulnerabilities, checks, report.

Only the confined child and tests run this; everybody else goes through `holdfast.audit.child`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Final, Literal, NamedTuple

from holdfast import __version__
from holdfast.audit import checks as rules
from holdfast.audit.contents import Contents, Store, look_at
from holdfast.audit.errors import MISTAKES, AuditError
from holdfast.audit.facts.gather import RULES, facts_of
from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.image import Image
from holdfast.audit.judging import Root, judged
from holdfast.audit.limits import Limits
from holdfast.audit.live.merging import with_observation
from holdfast.audit.live.observation import Observation
from holdfast.audit.model.build import model_of
from holdfast.audit.model.known_keys import Known
from holdfast.audit.model.shapes import Model, StartUp
from holdfast.audit.nested import without_copies
from holdfast.audit.report.shapes import (
    Checked,
    FileEntry,
    LimitHit,
    Opened,
    Report,
    Subject,
    Unopened,
    Volume,
)
from holdfast.audit.timing import Overtime, measured, within
from holdfast.audit.tree import Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.opening import Result
from holdfast.audit.verdicts import Verdict
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.identity import Identity, identify
from holdfast.audit.vulnerabilities.matching import matches
from holdfast.audit.vulnerabilities.shapes import DataAge, Match
from holdfast.audit.waivers import apply
from holdfast.product.profile import Profile

Progress = Callable[[str, float, str], None]

MOST_ROOTS: Final = 8
_MOST_UNREAD: Final = 50
_MOST_STORED: Final = 256 << 20
_FACTS_PART: Final = 0.8  # of all time, when the facts must be there
_MODEL_PART: Final = 0.9
_LONGEST_CHECK_S: Final = 20.0
_LEAST_CHECK_S: Final = 1.0
_NO_ROOT: Final = "No root file system was found; nothing that was not seen counts as fine."


def quiet(_stage: str, _fraction: float, _text: str) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How an image is judged.

    Attributes:
        now: The moment of the audit, aware, UTC.
        limits: What it may cost.
        profile: What the maker declares.
        baseline: Report of the last approved build.
        database: The vulnerability database, None for none.
        known_keys: Keys that are publicly known beyond the list that we ship.
        known: Facts of contents from earlier audits.
        workers: How many processes look at contents; 0 for this one only.
        scratch: Folder where they keep contents for the model; None to keep none.
        seen: What runs, if the tree is that of a running system.
        head: Beginning of the image file, which often names the product; b"" for a folder.
        notes: What the report is to say of how it was opened.
        progress: Is told stage, fraction and text.
    """

    now: datetime
    limits: Limits = field(default_factory=Limits)
    profile: Profile | None = None
    baseline: Report | None = None
    database: Path | None = None
    known_keys: Mapping[str, Known] = field(default_factory=dict)
    known: Mapping[str, FileFacts] = field(default_factory=dict)
    workers: int = 0
    scratch: Path | None = None
    seen: Observation | None = None
    head: bytes = field(default=b"", repr=False)
    notes: tuple[str, ...] = ()
    progress: Progress = quiet


class Judgement(NamedTuple):
    """A report, and what is worth keeping for the next audit.

    Attributes:
        report: The report.
        facts: Of all contents.
    """

    report: Report
    facts: Mapping[str, FileFacts]


def judge_tree(
    tree: Tree,
    *,
    now: datetime,
    profile: Profile | None = None,
    baseline: Report | None = None,
    database: Path | None = None,
    opened: Opened | None = None,
    seen: Observation | None = None,
) -> Report:
    """Judge a tree in this process: for tests, and for a running system.

    Args:
        tree: The root file system.
        now: The moment of the audit, aware, UTC.
        profile: What the maker declares.
        baseline: Report of the last approved build.
        database: The vulnerability database.
        opened: The accounts of the opening; a complete one if not given.
        seen: What runs, if it is a running system.
    """
    if opened is None:
        root = Volume(name="", format="tree", chain=(), files=len(tree), size_bytes=0, root=True)
        opened = Opened(complete=True, volumes=(root,))
    settings = Settings(now=now, profile=profile, baseline=baseline, database=database, seen=seen)
    subject = Subject(
        name="tree",
        kind="live" if seen else "folder",
        product=profile.identity.product if profile else "",
    )
    return judge(Result(tree, {}, opened), subject, settings).report


def judge(
    result: Result,
    subject: Subject,
    settings: Settings,
    *,
    seconds: dict[str, float] | None = None,
    start: float | None = None,
) -> Judgement:
    """Judge what was opened.

    Args:
        result: From the opening.
        subject: What it is.
        settings: How to judge.
        seconds: How long earlier parts took.
        start: When the audit began, by the monotonic clock.
    """
    return _Judging(result, subject, settings, seconds or {}, start or monotonic()).run()


class _Judging:
    """One audit after the opening."""

    def __init__(
        self,
        result: Result,
        subject: Subject,
        settings: Settings,
        seconds: dict[str, float],
        start: float,
    ) -> None:
        self._settings, self._subject = settings, subject
        self._seconds, self._start = seconds, start
        self._opened = result.opened
        self._notes = list(settings.notes)
        self._identity: Identity | None = None
        names = sorted(result.others)
        self._trees = {"": result.tree, **{name: result.others[name] for name in names}}
        if len(names) > MOST_ROOTS:
            self._too_many_roots(names[MOST_ROOTS:])
        unseen = settings.seen.unseen if settings.seen else ()
        self._not_opened(
            [Unopened(where="proc", offset=0, size_bytes=0, entropy=0.0, why=why) for why in unseen]
        )

    def _too_many_roots(self, names: list[str]) -> None:
        for name in names:
            del self._trees[name]
        why = f"more than {MOST_ROOTS} root file systems; this one was not judged"
        self._not_opened(
            [
                Unopened(where=f":{name}", offset=0, size_bytes=0, entropy=0.0, why=why)
                for name in names
            ]
        )

    def _left(self, part: float) -> float:
        """Tell how many seconds there are until that part of all time is over."""
        return self._start + self._settings.limits.seconds * part - monotonic()

    def _not_opened(self, pieces: list[Unopened], limits: tuple[LimitHit, ...] = ()) -> None:
        if pieces or limits:
            self._opened = replace(
                self._opened,
                complete=False,
                unopened=(*self._opened.unopened, *pieces),
                limits=(*self._opened.limits, *limits),
            )

    def run(self) -> Judgement:
        contents = self._contents()
        models = self._models(contents)
        self._identity = self._identified()
        found, ages = self._vulnerabilities(models, contents)
        roots = self._roots(contents, models, found, ages)
        with measured(self._seconds, "checks"):
            checked = judged(
                rules.every(),
                roots,
                seconds=lambda: min(max(self._left(1.0), _LEAST_CHECK_S), _LONGEST_CHECK_S),
                progress=lambda fraction, text: self._settings.progress("checks", fraction, text),
            )
        return Judgement(self._report(contents, models, checked, found, ages), contents.facts)

    # --- facts ----------------------------------------------------------------------------------

    def _contents(self) -> Contents:
        settings = self._settings
        left = max(self._left(_FACTS_PART), 1.0)
        limits = replace(settings.limits, seconds=max(int(left), 1))
        with measured(self._seconds, "facts"):
            contents = look_at(
                self._trees.values(),
                known=settings.known,
                look=facts_of,
                budget=Budget(limits),
                workers=settings.workers,
                store=self._store(),
                progress=lambda fraction, text: settings.progress("facts", fraction, text),
            )
        hit: tuple[LimitHit, ...] = ()
        if contents.limit is not None:
            most = contents.limit.most
            if contents.limit.limit == "seconds":
                most = settings.limits.seconds
            hit = (LimitHit(limit=contents.limit.limit, most=most, where="facts"),)
        names = list(self._trees)
        pieces = [
            Unopened(
                where=f":{names[number]}/{path}" if names[number] else path,
                offset=0,
                size_bytes=0,
                entropy=0.0,
                why=why,
            )
            for (number, path), why in sorted(contents.unread.items())
        ]
        if len(pieces) > _MOST_UNREAD:
            why = f"{len(pieces) - _MOST_UNREAD} more files could not be read"
            rest = Unopened(where="", offset=0, size_bytes=0, entropy=0.0, why=why)
            pieces = [*pieces[:_MOST_UNREAD], rest]
        self._not_opened(pieces, hit)
        return contents

    def _store(self) -> Store | None:
        scratch, limits = self._settings.scratch, self._settings.limits
        if scratch is None:
            return None
        return Store(scratch / "contents", min(limits.unpacked_bytes // 4, _MOST_STORED))

    # --- model ----------------------------------------------------------------------------------

    def _models(self, contents: Contents) -> dict[str, Model | None]:
        models: dict[str, Model | None] = {}
        with measured(self._seconds, "model"):
            for number, (name, tree) in enumerate(self._trees.items()):
                self._settings.progress("model", number / len(self._trees), name)
                model = self._model(tree, contents.facts, contents.digests[number], name)
                if name and model is not None:
                    model = without_copies(model, contents.digests[number], contents.digests[0])
                models[name] = model
        return models

    def _model(
        self, tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str], name: str
    ) -> Model | None:
        why = ""
        try:
            with within(max(self._left(_MODEL_PART), 2.0)):
                known_keys = self._settings.known_keys
                model = model_of(tree, facts, digests, known_keys=known_keys)
                seen = self._settings.seen
                return model if seen is None else with_observation(model, seen, tree)
        except Overtime:
            why = "it took too long"
        except MISTAKES as mistake:
            why = str(mistake) if isinstance(mistake, AuditError) else type(mistake).__name__
        self._notes.append(f"No model of {name or 'the image'} could be built: {why}.")
        return None

    # --- vulnerabilities ------------------------------------------------------------------------

    def _identified(self) -> Identity | None:
        """Tell which product the main root is for."""
        settings = self._settings
        try:
            with within(max(self._left(_MODEL_PART), 2.0)):
                return identify(self._trees[""], head=settings.head, profile=settings.profile)
        except (Overtime, *MISTAKES) as mistake:
            told = "it took too long" if isinstance(mistake, Overtime) else type(mistake).__name__
            self._notes.append(f"Which product it is could not be told: {told}.")
            return None

    def _vulnerabilities(
        self, models: Mapping[str, Model | None], contents: Contents
    ) -> tuple[tuple[Match, ...], tuple[DataAge, ...]]:
        path = self._settings.database
        if path is None:
            return (), ()
        self._settings.progress("vulnerabilities", 0.0, "")
        found: dict[tuple[str, str], Match] = {}
        ages: tuple[DataAge, ...] = ()
        why = ""
        try:
            with (
                measured(self._seconds, "vulnerabilities"),
                within(max(self._left(_MODEL_PART), 2.0)),
                Database(path) as database,
            ):
                ages = database.ages()
                for number, (name, model) in enumerate(models.items()):
                    machines = _machines(contents, number)
                    # What is inside the main root belongs to the same product, once.
                    who = None if name else self._identity
                    for match in _matched(model, database, name, identity=who, machines=machines):
                        found.setdefault((match.cve, match.component), match)
        except Overtime:
            why = "it took too long"
        except MISTAKES as mistake:
            why = str(mistake) if isinstance(mistake, AuditError) else type(mistake).__name__
        if why:
            self._notes.append(f"The vulnerabilities are not all known: {why}.")
            self._opened = replace(self._opened, complete=False)
        return tuple(found.values()), ages

    # --- checks ---------------------------------------------------------------------------------

    def _roots(
        self,
        contents: Contents,
        models: Mapping[str, Model | None],
        found: tuple[Match, ...],
        ages: tuple[DataAge, ...],
    ) -> list[Root]:
        chains = [volume.chain for volume in self._opened.volumes]
        has_root = any(volume.root for volume in self._opened.volumes)
        if not has_root:
            self._notes.append(_NO_ROOT)
        roots: list[Root] = []
        others = tuple(f":{name}/" for name in self._trees if name)
        for number, (name, tree) in enumerate(self._trees.items()):
            model = models[name]
            missing = "" if name or has_root else _NO_ROOT
            if model is None:
                if name:
                    continue
                missing = "the model of the image could not be built"
            prefix = f":{name}/" if name else ""
            image = Image(
                tree=tree,
                facts=contents.facts,
                digests=contents.digests[number],
                model=model or _nothing(),
                opened=self._opened,
                now=self._settings.now,
                profile=self._settings.profile,
                vulnerabilities=tuple(_inside(found, prefix, others)),
                vulnerability_data=ages,
                identity=self._identity,
                baseline=None if name else self._settings.baseline,
                live=self._settings.seen is not None,
            )
            roots.append(Root(image=image, name=name, chains=chains, missing=missing))
        return roots

    # --- report ---------------------------------------------------------------------------------

    def _report(
        self,
        contents: Contents,
        models: Mapping[str, Model | None],
        checked: tuple[Checked, ...],
        found: tuple[Match, ...],
        ages: tuple[DataAge, ...],
    ) -> Report:
        settings = self._settings
        settings.progress("report", 0.0, "")
        waivers = settings.profile.waivers if settings.profile else ()
        applied = apply(waivers, checked, found, today=settings.now.date())
        self._seconds["total"] = round(monotonic() - self._start, 3)
        return Report(
            made=settings.now,
            holdfast=__version__,
            rules=rules_digest(),
            subject=self._subject,
            outcome=outcome_of(applied.checks, self._opened),
            opened=self._opened,
            model=models[""] or _nothing(),
            others={name: model for name, model in models.items() if name and model is not None},
            checks=applied.checks,
            vulnerabilities=applied.vulnerabilities,
            vulnerability_data=ages,
            files=tuple(self._files(contents)),
            seconds=dict(self._seconds),
            cached=(contents.cached, len(contents.facts)),
            notes=(*self._notes, *applied.notes),
        )

    def _files(self, contents: Contents) -> Iterator[FileEntry]:
        for number, (name, tree) in enumerate(self._trees.items()):
            prefix = f":{name}/" if name else ""
            digests = contents.digests[number]
            for node in tree.walk():
                yield FileEntry(
                    path=prefix + node.path,
                    kind=node.kind.value,
                    mode=f"{node.mode:o}",
                    owner=f"{node.uid}:{node.gid}",
                    sha256=digests.get(node.path, ""),
                    target=node.target,
                )


def _nothing() -> Model:
    return Model(start_up=StartUp(init="none"))


def _machines(contents: Contents, number: int) -> frozenset[str]:
    """Tell which processors the programs of one root are made for."""
    every = (contents.facts.get(digest) for digest in contents.digests[number].values())
    return frozenset(facts.elf.machine for facts in every if facts is not None and facts.elf)


def _matched(
    model: Model | None,
    database: Database,
    name: str,
    *,
    identity: Identity | None,
    machines: frozenset[str],
) -> Iterator[Match]:
    if model is None:
        return
    for match in matches(model, database, identity=identity, machines=machines):
        yield replace(match, where=f":{name}/{match.where}") if name and match.where else match


def _inside(found: tuple[Match, ...], prefix: str, others: tuple[str, ...]) -> Iterator[Match]:
    """Give the vulnerabilities of one root, with places as that root has them."""
    for match in found:
        if not prefix:
            if not match.where.startswith(others):
                yield match
        elif match.where.startswith(prefix):
            yield replace(match, where=match.where.removeprefix(prefix))


def outcome_of(
    checked: tuple[Checked, ...], opened: Opened
) -> Literal["pass", "fail", "undecided"]:
    """Sum up what the checks decided."""
    verdicts = {each.verdict for each in checked}
    if Verdict.FAIL in verdicts:
        return "fail"
    if Verdict.UNDECIDED in verdicts or not opened.complete:
        return "undecided"
    return "pass"


def rules_digest() -> str:
    """Give a digest of all rules, the same as long as two reports can be compared."""
    digest = hashlib.sha256(f"{__version__}\n{RULES}\n".encode())
    for rule, check in rules.every().items():
        digest.update(f"{rule} {check.about!r}\n".encode())
    return digest.hexdigest()


def budget_for_opening(limits: Limits) -> Budget:
    """Give the opening its half of the time, so that what it opened can still be judged."""
    return Budget(replace(limits, seconds=max(1, limits.seconds // 2)))
