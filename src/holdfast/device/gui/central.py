"""Pages of central login: servers, groups, order, roles, putting into force, testing."""

import copy
from collections.abc import Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.errors import HoldfastError
from holdfast.device.gui import accounts, central_forms
from holdfast.device.gui.central_draft import (
    LABELS,
    Draft,
    FieldError,
    Plain,
    fault_of,
    replaced,
    shown_fault,
)
from holdfast.device.gui.desk import LOCAL, Desk, Kept, Shown, shown, status_of, to
from holdfast.device.gui.forms import one
from holdfast.device.gui.sessions import Session
from holdfast.device.gui.texts import translate as _

_LONGEST_BODY = 200_000
_MOST_FIELDS = 40
_LONGEST_NAME = 128
_DAMAGED = "account-central-file"
_SERVICE = "gui"
"""The only service of the device that people log in to."""
_DONE = {
    "written": "It is in force. Try the servers now.",
    "dropped": "The changes were dropped.",
}


class CentralPages:
    """The pages of central login; for owners only.

    Args:
        desk: What all pages share.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # There are secrets in them: in memory only, and no longer than the session.
        self._drafts: Kept[Draft] = desk.kept()

    async def _draft(self, session: Session) -> Draft:
        """Give the draft of a session: what is in force, until something is changed."""
        draft = self._drafts.find(session.token)
        if draft is not None:
            return draft
        try:
            plain, known = await self._desk.backends.central()
        except HoldfastError as error:
            if error.code != _DAMAGED:
                raise
            # What is in force cannot be read; the owner can put something else in its place.
            return Draft(plain={}, known=(), is_changed=True, is_anew=True)
        if "methods" in plain:  # orders for services that no device has were taken once
            orders = [one for one in plain["methods"] if one.get("service") == _SERVICE]
            plain = {**plain, "methods": orders}
        return Draft(plain=plain, known=tuple(known), before=plain)

    async def _form(self, request: Request) -> dict[str, str]:
        return await self._desk.session_form(request, longest=_LONGEST_BODY, most=_MOST_FIELDS)

    def _change(
        self, session: Session, draft: Draft, plain: Plain,
        typed: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        draft.change(plain, typed)
        self._drafts.keep(session.token, draft)

    async def _show(
        self, request: Request, template: str, draft: Draft,
        *, fault: FieldError | None = None, **values: object,
    ) -> Response:  # fmt: skip
        return await self._desk.page(
            request,
            template,
            here="account",
            draft=draft,
            labels=LABELS,
            error=shown_fault(fault) if fault is not None else None,
            status=422 if fault is not None else 200,
            **values,
        )

    # All of it.

    async def central(self, request: Request) -> Response:
        """Show all settings, and what of them is not in force yet."""
        session = self._desk.ruling(request)
        done = _DONE.get(request.query_params.get("done", ""), "")
        return await self._central(request, session, saved=_(done))

    async def _central(
        self, request: Request, session: Session,
        *, saved: str = "", error: Shown | None = None, status: int = 200,
    ) -> Response:  # fmt: skip
        draft = await self._draft(session)
        return await self._desk.page(
            request,
            "central.html",
            here="account",
            status=status,
            error=error,
            saved=saved,
            by_code=draft.is_changed and await accounts.has_second(self._desk.backends, session),
            draft=draft,
            methods=draft.named("methods", _SERVICE, key="service"),
            offers=[(name, central_forms.PROTOCOLS[name]) for name in self._desk.protocols],
            kinds=central_forms.PROTOCOLS,
            rule_text=central_forms.rule_text,
            role_text=accounts.role_text,
        )

    async def write(self, request: Request) -> Response:
        """Put a draft into force, once it was confirmed."""
        desk = self._desk
        session = desk.ruling(request)
        fields = await desk.session_form(request)
        draft = await self._draft(session)
        try:
            args = await desk.backends.stage_central(draft.content())
            proof = await desk.proven(request, "central.write", args, one(fields, "secret"))
            await desk.backends.ask("central.write", args, slow=True, proof=proof)
        except HoldfastError as error:
            told = shown(error, by_code=await accounts.has_second(desk.backends, session))
            if error.code == "accounts-central-settings":
                moved = draft.moved(str(error))
                if moved is not None:
                    server, fault = moved
                    server = central_forms.whole(server)
                    return await self._server(request, draft, server, is_new=False, fault=fault)
                told = shown_fault(fault_of(str(error), draft.plain))
            return await self._central(request, session, error=told, status=status_of(error))
        self._drafts.drop(session.token)
        desk.backends.forget_epochs()
        return to("/central?done=written")

    async def drop(self, request: Request) -> Response:
        """Forget a draft."""
        session = self._desk.ruling(request)
        await self._desk.session_form(request)
        self._drafts.drop(session.token)
        return to("/central?done=dropped")

    # Servers.

    async def server(self, request: Request) -> Response:
        """Add, change or take out a server."""
        session = self._desk.ruling(request)
        draft = await self._draft(session)
        if request.method != "POST":
            name, protocol = (request.query_params.get(key, "") for key in ("name", "protocol"))
            found = draft.named("servers", name)
            if found is None and protocol not in self._desk.protocols:
                return to("/central")
            server = central_forms.whole(found or central_forms.defaults_of(protocol))
            return await self._server(request, draft, server, is_new=found is None)
        fields = await self._form(request)
        name = one(fields, "name").strip()
        found, is_new = draft.named("servers", name), one(fields, "new") == "yes"
        protocol = one(fields, "protocol") if found is None or is_new else found["protocol"]
        if protocol not in self._desk.protocols or (found is None and not is_new):
            return to("/central")
        server = central_forms.defaults_of(protocol)
        try:
            if one(fields, "do") == "remove":
                at = draft.list_of("servers").index(found) if found is not None else None
                self._change(session, draft, replaced(draft.plain, "servers", at, None))
                return to("/central")
            server = {**server, **_typed(fields, server), "name": name}
            read = central_forms.server_of(fields, name=name, protocol=protocol)
            server = central_forms.whole(read)
            at = None if is_new or found is None else draft.list_of("servers").index(found)
            plain = replaced(draft.plain, "servers", at, read)
            if is_new and one(fields, "grouped") == "yes":
                group = {"name": name, "servers": [name]}
                if draft.named("groups", name) is None:
                    plain = replaced(plain, "groups", None, group)
            self._change(session, draft, plain, central_forms.secrets_of(fields, read))
        except FieldError as fault:
            if one(fields, "shared") or one(fields, "key"):
                fault.hint = fault.hint or _("Secrets are not shown again: type yours once more.")
            return await self._server(request, draft, server, is_new=is_new, fault=fault)
        return to("/central")

    async def _server(
        self, request: Request, draft: Draft, server: Plain,
        *, is_new: bool, fault: FieldError | None = None,
    ) -> Response:  # fmt: skip
        protocol = server["protocol"]
        return await self._show(
            request,
            "central_server.html",
            draft,
            fault=fault,
            server=server,
            is_new=is_new,
            kind=central_forms.PROTOCOLS[protocol],
            transports=central_forms.TRANSPORTS[protocol],
        )

    # Groups.

    async def group(self, request: Request) -> Response:
        """Add, change or take out a group of servers."""
        session = self._desk.ruling(request)
        draft = await self._draft(session)
        if request.method != "POST":
            found = draft.named("groups", request.query_params.get("name", ""))
            blank: Plain = {"name": "", "servers": [], "dead_s": 120}
            return await self._group(request, draft, found or blank, is_new=found is None)
        fields = await self._form(request)
        name, is_new = one(fields, "name").strip(), one(fields, "new") == "yes"
        found = draft.named("groups", name)
        group: Plain = {"name": name, "servers": [], "dead_s": one(fields, "dead_s")}
        try:
            at = None if is_new or found is None else draft.list_of("groups").index(found)
            if one(fields, "do") == "remove":
                self._change(session, draft, replaced(draft.plain, "groups", at, None))
                return to("/central")
            servers = [each["name"] for each in draft.list_of("servers")]
            group = central_forms.group_of(fields, name=name, servers=servers)
            self._change(session, draft, replaced(draft.plain, "groups", at, group))
        except FieldError as fault:
            return await self._group(request, draft, group, is_new=is_new, fault=fault)
        return to("/central")

    async def _group(
        self, request: Request, draft: Draft, group: Plain,
        *, is_new: bool, fault: FieldError | None = None,
    ) -> Response:  # fmt: skip
        return await self._show(
            request, "central_group.html", draft, fault=fault, group=group, is_new=is_new
        )

    # The order, and who gets which role.

    async def methods(self, request: Request) -> Response:
        """Choose who is asked, in which order, and the emergency accounts."""
        session = self._desk.ruling(request)
        draft = await self._draft(session)
        found = draft.named("methods", _SERVICE, key="service")
        own = [session.name] if session.method == LOCAL else []
        shown_now: Plain = found or {"order": ["local"], "local_names": own}
        fault = None
        if request.method == "POST":
            fields = await self._form(request)
            shown_now = central_forms.methods_of(fields, service=_SERVICE)
            try:
                at = draft.list_of("methods").index(found) if found is not None else None
                plain = replaced(draft.plain, "methods", at, shown_now)
                plain["budget_s"] = central_forms.number(fields, "budget_s", otherwise=10)
                self._change(session, draft, plain)
            except FieldError as error:
                fault = error
            else:
                return to("/central")
        groups = [each["name"] for each in draft.list_of("groups")]
        return await self._show(
            request,
            "central_methods.html",
            draft,
            fault=fault,
            methods=shown_now,
            places=range(central_forms.MOST_IN_ORDER),
            choices=[*groups, "local"],
        )

    async def role(self, request: Request) -> Response:
        """Add, change, move or take out a rule that gives a role."""
        session = self._desk.ruling(request)
        draft = await self._draft(session)
        rules = draft.list_of("roles")
        at = _index(request.query_params.get("at", ""), len(rules))
        roles = self._desk.roles
        rule: Plain = rules[at] if at is not None else {"role": roles[-1]}
        groups = [each["name"] for each in draft.list_of("groups")]
        by, fault = _by(rule), None
        if request.method == "POST":
            fields = await self._form(request)
            by = one(fields, "by")
            try:
                plain = _moved(draft, at, one(fields, "do"))
                if plain is None:
                    rule = _typed_rule(fields)
                    rule = central_forms.role_of(fields, groups=groups)
                    plain = replaced(draft.plain, "roles", at, rule)
                self._change(session, draft, plain)
            except FieldError as error:
                fault = error
            else:
                return to("/central")
        return await self._show(
            request,
            "central_role.html",
            draft,
            fault=fault,
            rule={**central_forms.NO_RULE, **rule},
            by=by,
            at=at,
            groups=groups,
            roles=[{"role": each, "text": accounts.role_text(each)} for each in roles],
        )

    # Trying.

    async def test(self, request: Request) -> Response:
        """Try one server step by step, with a login or without."""
        desk = self._desk
        session = desk.ruling(request)
        draft = await self._draft(session)
        in_force = Draft(plain={}, known=()) if draft.is_anew else await self._in_force()
        servers = [each["name"] for each in in_force.list_of("servers")]
        name = request.query_params.get("server", "")
        login, told, error, status = "", None, None, 200
        if request.method == "POST":
            fields = await desk.session_form(request)
            name, login = one(fields, "server"), one(fields, "name").strip()[:_LONGEST_NAME]
            args = {"server": name[:32]}
            if login:
                args |= {"name": login, "password": one(fields, "password")}
            try:
                told = await desk.backends.try_server(args)
            except HoldfastError as refusal:
                error, status = shown(refusal), status_of(refusal)
        steps = told.get("steps") if told else None
        return await desk.page(
            request,
            "central_test.html",
            here="account",
            status=status,
            error=error,
            draft=draft,
            servers=servers,
            chosen=name,
            entered={"name": login},
            steps=[central_forms.step_view(each) for each in steps] if steps else [],
            role=accounts.role_text(str(told.get("role", ""))) if told else "",
            with_login=bool(login),
            is_in_force=not name or name in servers,
            is_asked=not name or in_force.is_asked(name),
        )

    async def _in_force(self) -> Draft:
        plain, known = await self._desk.backends.central()
        return Draft(plain=plain, known=tuple(known))


def _index(text: str, length: int) -> int | None:
    fits = text.isascii() and text.isdecimal() and len(text) < len("1000")
    return int(text) if fits and int(text) < length else None


def _by(rule: Plain) -> str:
    if rule.get("level") is not None:
        return "level"
    return "attribute" if rule.get("attribute") else "group"


def _typed_rule(fields: dict[str, str]) -> Plain:
    """Give a rule as it was typed, to be shown again."""
    names = ("role", "group", "attribute", "value", "level")
    typed = {name: one(fields, name) for name in names}
    return {name: text for name, text in typed.items() if text}


def _typed(fields: dict[str, str], server: Plain) -> Plain:
    """Give a server as it was typed, to be shown again; secrets are never shown again."""
    typed: Plain = {name: one(fields, name) for name in server if name in fields}
    if "ldap" in server:
        before = server["ldap"]
        typed["ldap"] = {name: fields.get(name, before[name]) for name in before}
    return {**typed, "protocol": server["protocol"], "warned": one(fields, "warned") == "yes"}


def _moved(draft: Draft, at: int | None, does: str) -> Plain | None:
    """Take a rule out or up; None if something else is wanted."""
    if at is None or does not in {"remove", "up"}:
        return None
    if does == "remove":
        return replaced(draft.plain, "roles", at, None)
    plain = copy.deepcopy(draft.plain)
    if at > 0:
        rules = plain["roles"]
        rules[at - 1], rules[at] = rules[at], rules[at - 1]
    return plain
