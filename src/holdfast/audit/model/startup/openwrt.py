"""OpenWrt: rc.common, procd's shell functions and `uci`."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.configuration import uci
from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import masked
from holdfast.audit.model.startup.shell.outcome import Outcome, Status
from holdfast.audit.model.startup.shell.runner import Shell
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.system import System

MOST_SECTIONS: Final = 64
_DONE, _UNKNOWN = Outcome(), Outcome(Status.UNKNOWN)
_IGNORED = (
    "procd_open_service", "procd_close_service", "procd_add_reload_trigger", "procd_open_trigger",
    "procd_close_trigger", "procd_add_interface_trigger", "procd_add_reload_interface_trigger",
    "procd_add_config_trigger", "procd_add_raw_trigger", "procd_open_validate",
    "procd_close_validate", "procd_add_validation", "procd_set_config_changed", "procd_kill",
    "procd_send_signal", "procd_add_mdns", "procd_running", "procd_open_data", "procd_close_data",
    "procd_lock", "procd_add_restart_trigger", "procd_add_watch", "procd_add_jail_mount",
    "procd_add_jail_mount_rw", "procd_set_respawn", "json_init", "json_add_string",
    "json_add_object", "json_close_object", "json_add_array", "json_close_array", "json_load",
    "json_select", "json_dump", "json_cleanup", "json_add_int",
    "json_add_boolean", "json_set_namespace", "reset_cb", "include", "config_cb", "option_cb",
    "list_cb", "uci_load", "uci_set_state", "uci_toggle_state", "uci_revert_state", "uci_commit",
    "service_stop", "service_reload", "service_kill", "service_check", "extra_command", "ubus",
    "network_flush_cache", "network_is_up",
)  # fmt: skip
_ASKING = (
    "json_get_var", "network_find_wan", "network_find_wan6", "network_get_ipaddr",
    "network_get_ipaddrs", "network_get_ipaddrs_all", "network_get_ipaddrs6",
    "network_get_ipaddr6", "network_get_subnet", "network_get_subnets", "network_get_subnet6",
    "network_get_device", "network_get_physdev", "network_get_dnsserver", "network_get_gateway",
    "network_get_protocol", "network_get_prefix6",
)  # fmt: skip
"""Functions that set the variable named first to what only the running system knows."""


@dataclass(slots=True)
class _Instance:
    """One instance of a procd service while a script describes it."""

    command: list[Value] = field(default_factory=list)
    user: str = ""
    line: int = 0
    walls: list[str] = field(default_factory=list)


class OpenWrt:
    """Knows what the shell functions of OpenWrt do."""

    def __init__(self, system: "System") -> None:
        self._system = system
        self._configs: dict[str, list[uci.Section]] = {}
        system.hooks |= {
            **dict.fromkeys(_IGNORED, self._ignore),
            **dict.fromkeys(_ASKING, self._asked),
            "json_get_vars": self._asked,
            "config_load": self._load,
            "config_foreach": self._foreach,
            "config_get": self._get,
            "config_get_bool": self._get,
            "config_list_foreach": self._list,
            "uci_get": self._uci_get,
            "uci": self._uci_get,
            "uci_get_state": self._uci_get,
            "uci_validate_section": self._validate,
            "uci_load_validate": self._validate,
            "procd_open_instance": self._open,
            "procd_set_param": self._set_param,
            "procd_append_param": self._set_param,
            "procd_add_jail": self._jail,
            "procd_close_instance": self._close,
            "service_start": self._service_start,
            "rc_procd": self._rc_procd,
            "default_prerm": self._ignore,
            "default_postinst": self._ignore,
        }
        system.interpreters["rc.common"] = self.run
        system.by_heart = ("lib/functions.sh", "lib/functions/")

    def run(self, system: "System", place: str, arguments: list[Value], context: Context) -> None:
        """Run a script whose frame is rc.common."""
        action = arguments[0].text if arguments else "help"
        text = system.files.text(place)
        if text is None or action not in {"boot", "start", "restart", "reload", "enable"}:
            return
        shell = Shell(system, system.files.place(place), arguments)
        shell.variables.set("initscript", Value(f"/{place}"))
        shell.variables.set("action", Value(action))
        shell.fallbacks = {
            "boot": self._start_of,
            "start": self._start_of,
            "restart": self._start_of,
        }
        lines = text.split("\n", 1)
        call = "boot" if action == "boot" else "start"
        ending = f"{call}\n" if action != "enable" else ""
        # The line of `#!` stays, so that the numbers of lines do.
        node = system.files.node(place)
        shell.path = node.path if node else place
        system.run_block(shell, "\n".join((lines[0], *lines[1:])) + f"\n{ending}", context)

    def _start_of(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        uses = shell.variables.look_up("USE_PROCD").text
        wanted = "start_service" if uses else "start"
        if words[0].text == "boot" and "start" in shell.functions and not uses:
            wanted = "start"
        if wanted not in shell.functions:
            return _DONE
        outcome = shell.call(wanted, words[1:], context)
        if uses and "service_started" in shell.functions:
            shell.call("service_started", [], context)
        return outcome

    def _rc_procd(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        if len(words) > 1 and words[1].text in shell.functions:
            return shell.call(words[1].text, words[2:], context)
        return _UNKNOWN

    def _ignore(self, _shell: Shell, _words: list[Value], _context: Context) -> Outcome:
        return _UNKNOWN

    def _asked(self, shell: Shell, words: list[Value], _context: Context) -> Outcome:
        several = words[0].text == "json_get_vars"
        for word in words[1:] if several else words[1:2]:
            name = word.text.partition(":")[0]
            shell.set(name, Value(f"${name}", known=False))
        return _UNKNOWN

    def _config(self, name: str) -> list[uci.Section]:
        if name not in self._configs:
            plain = name.removeprefix("/etc/config/")
            text = self._system.files.text(f"etc/config/{plain}") if "/" not in plain else None
            self._configs[name] = uci.parse(text or "")
        return self._configs[name]

    def _loaded(self, shell: Shell) -> list[uci.Section]:
        return self._config(str(shell.state.get("config", "")))

    def _section(self, sections: list[uci.Section], name: str) -> uci.Section | None:
        if name.startswith("@") and "[" in name:
            kind, _, index = name[1:].rstrip("]").partition("[")
            same = [section for section in sections if section.type == kind]
            place = int(index) if index.lstrip("-").isdecimal() and len(index) < 4 else 0  # noqa: PLR2004
            return same[place] if -len(same) <= place < len(same) else None
        return next((section for section in sections if section.name == name), None)

    def _load(self, shell: Shell, words: list[Value], _context: Context) -> Outcome:
        if len(words) > 1 and words[1].known:
            shell.state["config"] = words[1].text
        return _DONE

    def _foreach(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        function = words[1].text if len(words) > 1 else ""
        kind = words[2].text if len(words) > 2 else ""  # noqa: PLR2004 - config_foreach FUNCTION TYPE
        if function not in shell.functions:
            return _UNKNOWN
        for section in self._loaded(shell)[:MOST_SECTIONS]:
            if kind in {"", section.type}:
                shell.call(function, [Value(section.name), *words[3:]], context)
        return _DONE

    def _get(self, shell: Shell, words: list[Value], _context: Context) -> Outcome:
        if len(words) < 4:  # noqa: PLR2004 - config_get VARIABLE SECTION OPTION
            return _UNKNOWN
        _, variable, section, option, *default = words
        found = self._section(self._loaded(shell), section.text)
        if not (section.known and option.known):
            shell.set(variable.text, Value(f"${variable.text}", known=False))
            return _UNKNOWN
        fallback = default[0] if default else Value("")
        value = fallback
        if found is not None and option.text in found.options:
            value = Value(found.get(option.text))
        if words[0].text == "config_get_bool" and value.known:
            sample = uci.Section("", "", 0, {"x": [value.text]})
            value = Value(str(int(sample.is_on("x", default=fallback.text == "1"))))
        shell.set(variable.text, value)
        return _DONE

    def _list(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        if len(words) < 4 or words[3].text not in shell.functions:  # noqa: PLR2004
            return _UNKNOWN
        found = self._section(self._loaded(shell), words[1].text)
        for value in (found.options.get(words[2].text, []) if found else [])[:MOST_SECTIONS]:
            shell.call(words[3].text, [Value(value), *words[4:]], context)
        return _DONE

    def _uci_get(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        names = [word for word in words[1:] if not word.text.startswith("-")]
        if words[0].text == "uci":
            if not names or names[0].text != "get":
                shell.print(None, context)
                return _UNKNOWN
            names = names[1:]
        path: list[str] = []
        for word in names:
            path += word.text.split(".") if word.known else ["?"]
        known = len(path) > 2 and "?" not in path  # noqa: PLR2004 - package, section, option
        found = self._section(self._config(path[0]), path[1]) if known else None
        if found is None or path[2] not in found.options:
            shell.print(path[3] if known and path[3:] else None, context)
            return _UNKNOWN
        shell.print(found.get(path[2]), context)
        return Outcome(Status.TRUE)

    def _validate(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        """Set variables to what a section says, or to the defaults given."""
        loads = words[0].text == "uci_load_validate"
        if len(words) < 4:  # noqa: PLR2004 - PACKAGE TYPE SECTION
            return _UNKNOWN
        package, section = words[1].text, words[3]
        rules = words[5:] if loads else words[4:]
        found = self._section(self._config(package), section.text)
        for rule in rules:
            name, _, kind = rule.text.partition(":")
            default = _default_of(kind)
            value = found.get(name, default) if found else default
            if kind.startswith("bool") and value:
                sample = uci.Section("", "", 0, {"x": [value]})
                value = str(int(sample.is_on("x", default=default == "1")))
            shell.variables.set(name, Value(value, section.known))
            shell.note_secret(name, Value(value, section.known))
        if loads and words[4].text in shell.functions:
            return shell.call(words[4].text, [section, Value("0")], context)
        return Outcome(Status.TRUE)

    def _instance(self, shell: Shell) -> _Instance:
        instance = shell.state.get("instance")
        if not isinstance(instance, _Instance):
            instance = _Instance()
            shell.state["instance"] = instance
        return instance

    def _open(self, shell: Shell, _words: list[Value], _context: Context) -> Outcome:
        shell.state["instance"] = _Instance()
        return _DONE

    def _set_param(self, shell: Shell, words: list[Value], _context: Context) -> Outcome:
        instance = self._instance(shell)
        kind = words[1].text if len(words) > 1 else ""
        if kind == "command":
            if words[0].text == "procd_set_param":
                instance.command.clear()
                instance.line = shell.line
            instance.command += words[2:]
        elif kind == "user" and len(words) > 2:  # noqa: PLR2004 - procd_set_param user NAME
            instance.user = words[2].text
        elif kind in {"capabilities", "seccomp"}:
            instance.walls.append(kind)
        return _DONE

    def _jail(self, shell: Shell, _words: list[Value], _context: Context) -> Outcome:
        if self._system.files.which("ujail"):  # without it procd starts the service as it is
            self._instance(shell).walls.append("ujail")
        return _DONE

    def _close(self, shell: Shell, _words: list[Value], context: Context) -> Outcome:
        instance = self._instance(shell)
        shell.state["instance"] = None
        if not instance.command:
            return _UNKNOWN
        walls = instance.walls if self._system.files.which("ujail") else []
        shell.line = instance.line or shell.line
        inside = replace(
            context,
            user=instance.user or context.user,
            user_why="unit" if instance.user else context.user_why,
            walls=(*context.walls, *walls),
        )
        return self._system.launch(shell, instance.command, inside, "")

    def _service_start(self, shell: Shell, words: list[Value], context: Context) -> Outcome:
        user = shell.variables.get("SERVICE_UID")
        if user is not None and user.text:
            context = replace(context, user=user.text, user_why="unit")
        return self._system.launch(shell, words[1:], context, "") if words[1:] else _UNKNOWN


def start(system: "System", context: Context) -> None:
    """Run what procd runs: the links in /etc/rc.d, in their order."""
    for name in system.files.tree.names("etc/rc.d"):
        place = f"etc/rc.d/{name}"
        if name.startswith("S") and system.files.text(place) is not None:
            node = system.files.node(place)
            system.run_script(
                node.path if node else place, [Value("boot")], context,
                where=place, shown=masked([place, "boot"]),
            )  # fmt: skip


def _default_of(rule: str) -> str:
    """Give the default in `type(...):default`, brackets passed over."""
    depth = 0
    for place, character in enumerate(rule):
        depth += (character == "(") - (character == ")")
        if character == ":" and depth == 0:
            return rule[place + 1 :]
    return ""
