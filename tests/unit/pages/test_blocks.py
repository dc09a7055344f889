# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fenced block of the pages is right, as far as that can be said without a cluster.

What is printed, or is only a part of something, has the language ``text``; everything else is held to what reads it.
"""

from __future__ import annotations

import configparser
import copy
import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.cli.adhoc import AdHocCLI
from ansible.cli.galaxy import GalaxyCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import callback_loader, connection_loader
from ansible.release import __version__ as ansible_core
from page_blocks import ROOT, Block, blocks, commands, documents, shell_fault, typed

from ansible_collections.bramble.kube.plugins.filter.inventory_errors import filter_inventory_errors
from ansible_collections.bramble.kube.plugins.module_utils.kubeflow import catalogue
from ansible_collections.bramble.kube.plugins.module_utils.manifests import load
from ansible_collections.bramble.kube.plugins.module_utils.preflight.settings import role_options
from ansible_collections.bramble.kube.plugins.module_utils.preflight.unknown import used_names

PREFIX = "bramble.kube."
#: A file of a repository of one's own; tests/integration/collection/test_own_repository.py runs the page's files.
FILE = re.compile(r"^`[\w./-]+`[^\n]*:\n\n\Z", re.MULTILINE)
#: What is on a computer or a Pi anyway, or comes from a requirements.txt.
PROGRAMS = {
    "$EDITOR",
    "ansible-builder",
    "ansible-navigator",
    "cat",
    "cd",
    "cp",
    "curl",
    "docker",
    "echo",
    "export",
    "find",
    "git",
    "grep",
    "ln",
    "ls",
    "mkdir",
    "molecule",
    "pip",
    "python3",
    "python3.13",
    "rm",
    "sha256sum",
    "sort",
    "source",
    "ssh",
    "ssh-keygen",
    "tail",
    "xargs",
}
CLIS = {"ansible": AdHocCLI, "ansible-galaxy": GalaxyCLI, "ansible-playbook": PlaybookCLI}


def each(*languages: str) -> pytest.MarkDecorator:
    """A test for each block of these languages."""
    return pytest.mark.parametrize("block", blocks(*languages), ids=str)


@pytest.mark.parametrize("language", sorted({block.language for block in blocks()}))
def test_every_block_says_what_it_is(language: str) -> None:
    assert language in ("console", "ini", "json", "python", "text", "yaml"), [
        str(block) for block in blocks() if block.language == language
    ]


@each("json")
def test_json(block: Block) -> None:
    json.loads(block.text)


@each("python")
def test_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@each("ini")
def test_settings_of_ansible(block: Block) -> None:
    known = {
        (place["section"], place["key"])
        for setting in constants.config.get_configuration_definitions(ignore_private=True).values()
        for place in setting.get("ini", ())
    }
    for plugin, name, loader in (("connection", "ssh", connection_loader), ("callback", "default", callback_loader)):
        loader.get(name, class_only=True)  # reads its settings
        for setting in constants.config.get_configuration_definitions(plugin, name).values():
            known |= {(place["section"], place["key"]) for place in setting.get("ini", ())}
    if ansible_core.startswith("2.20."):  # the page says that 2.21 is the first that knows it
        known |= {("defaults", "display_included_hosts")}
    found = configparser.ConfigParser(inline_comment_prefixes="#")
    found.read_string(block.text)
    assert {(section, key) for section in found.sections() for key in found[section]} <= known


# YAML ----------------------------------------------------------------------------------------------------------------


def plays(value: Any) -> list[dict] | None:
    """The block as a playbook, if it is one, or has tasks, or defaults of modules."""
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        books = ("hosts", "import_playbook", "ansible.builtin.import_playbook")
        if any(key in entry for entry in value for key in books):
            return value
        return [{"hosts": "localhost", "tasks": value}]
    if isinstance(value, dict) and set(value) == {"module_defaults"}:
        return [{"hosts": "localhost", **value}]
    return None


def tasks(book: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All tasks of a playbook."""
    return [task for play in book for task in play.get("tasks") or ()]


@cache
def arguments_of(module: str) -> dict[str, Any]:
    """What a module of ours tells AnsibleModule; for one that is done by an action, what its documentation has."""
    source = importlib.import_module(f"ansible_collections.bramble.kube.plugins.modules.{module}")
    if not hasattr(source, "main"):
        options = yaml.safe_load(source.DOCUMENTATION)["options"]
        return {
            "argument_spec": {
                name: {key: told[key] for key in ("type", "required") if key in told} for name, told in options.items()
            }
        }
    found: dict[str, Any] = {}

    class Stopped(Exception):
        pass

    def declare(_self: AnsibleModule, **arguments: Any) -> None:
        found.update(arguments)
        raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(AnsibleModule, "__init__", declare)
        source.main()
    return found


PLAIN = {"bool": True, "dict": {}, "float": 1.0, "int": 1, "list": []}


def option_faults(module: str, given: Mapping[str, Any], complete: bool = True) -> list[str]:
    """What a module would say about its options; a template may be anything."""
    arguments = arguments_of(module)
    spec = arguments["argument_spec"]
    values = {
        name: PLAIN.get(spec.get(name, {}).get("type"), "x") if isinstance(value, str) and "{{" in value else value
        for name, value in given.items()
    }
    demands = {
        key: arguments.get(key)
        for key in ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
    }
    if not complete:
        spec = {name: {**told, "required": False} for name, told in spec.items()}
        demands = {}
    return ArgumentSpecValidator(copy.deepcopy(spec), **demands).validate(values).error_messages


def variable_faults(
    variables: Mapping[str, Any], children: Mapping[str, Any] | None = None, folder: Path = ROOT
) -> list[str]:
    """What the inventory's own check says, and names that nothing knows."""
    groups = children or {"master": {"k8s-master": {}}, "node": {"k8s-node1": {}}}
    hostvars, number = {}, 7
    for hosts in groups.values():
        for name, own in hosts.items():
            hostvars[name] = {"ansible_host": f"192.168.13.{number}", "inventory_dir": str(folder), **variables, **own}
            number += 1
    members = {group: list(hosts) for group, hosts in groups.items()}
    found = filter_inventory_errors({**members, "bramble": list(hostvars)}, hostvars)
    names = {name for own in hostvars.values() for name in own}
    return found + [f"nothing knows {name}" for name in sorted(names) if not is_known(name)]


def is_known(name: str) -> bool:
    """Whether a variable is an option of a role, or stands in a role or playbook, the lab's included."""
    of_ansible = name.startswith(("ansible_", "inventory_")) or name == "group_names"
    return of_ansible or name in role_options() or name in used_names() or name in of_the_lab()


@cache
def of_the_lab() -> frozenset[str]:
    """Every variable of the lab."""
    files = [*(ROOT / "lab").rglob("*.yml"), *(ROOT / "lab").rglob("*.j2")]
    return frozenset(word for file in files for word in re.findall(r"\blab_\w+", file.read_text(encoding="utf-8")))


def inventory_faults(text: str, folder: Path) -> list[str]:
    """What the check says about an inventory, as Ansible reads it."""
    (folder / "hosts.yml").write_text(text)
    read = InventoryManager(DataLoader(), [str(folder / "hosts.yml")])
    groups = {
        name: {host.name: {**group.get_vars(), **host.get_vars()} for host in group.get_hosts()}
        for name, group in read.groups.items()
        if name in ("master", "node")
    }
    return variable_faults(read.groups["bramble"].get_vars(), groups)


class Unique(yaml.SafeLoader):
    """A mapping has no key twice."""


def _unique(loader: Unique, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _value in node.value]
    assert len(keys) == len(set(keys)), f"twice: {keys}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Unique.add_constructor("tag:yaml.org,2002:map", _unique)


@each("yaml")
def test_yaml(block: Block, tmp_path: Path) -> None:
    value = yaml.load(block.text, Unique)
    book = plays(value)
    if book is not None:
        for task in tasks(book):
            for key in task:
                if key.startswith(PREFIX):
                    assert option_faults(key.removeprefix(PREFIX), task[key] or {}) == []
        for play in book:
            check_defaults(play.get("module_defaults") or {})
        return
    assert isinstance(value, dict)
    if set(value) <= {"bramble", "all"}:
        assert inventory_faults(block.text, tmp_path) == []
    elif block.page == "docs/own-repository.md" and FILE.search(block.before):
        pass  # of another program's form
    elif {"apiVersion", "kind"} <= set(value):
        [item] = load.load([], value)
        assert set(item.object) == {"apiVersion", "kind", "metadata", "spec"}
    elif "spec" in value:
        value["spec"]["containers"] = [{"name": "x", "image": "x", **one} for one in value["spec"]["containers"]]
        load.load([], {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **value})
    elif all(name.startswith("k8s-") for name in value):
        assert variable_faults({}, {"master": {"k8s-master": {}}, "node": value}) == []
    elif owner := next((name for name in owners() if set(value) <= set(arguments_of(name)["argument_spec"])), None):
        assert option_faults(owner, value, complete=False) == []
    else:
        assert variable_faults({**earlier(block), **value}, folder=models(block.page, tmp_path)) == []
        own = yaml.safe_load((ROOT / "roles/kubeflow/vars/main/catalogue.yml").read_text())["kubeflow_catalogue"]
        catalogue.load(own, value.get("kubeflow_catalogue_extra") or [])


def earlier(block: Block) -> dict[str, Any]:
    """The roles' variables that the page has set before."""
    found: dict[str, Any] = {}
    for other in blocks("yaml"):
        value = yaml.safe_load(other.text)
        if other.page == block.page and other.line < block.line and set(value) <= set(role_options()):
            found |= value
    return found


def models(page: str, folder: Path) -> Path:
    """An inventory's folder, with the page's own programs as models where it may name them."""
    for block in blocks("python"):
        for name in re.findall(r"code: \.\./(\S+)", block.before) if block.page == page else ():
            (folder / name).mkdir(parents=True, exist_ok=True)
            (folder / name / "model.py").write_text(block.text)
    (folder / "inventory").mkdir()
    return folder / "inventory"


def owners() -> list[str]:
    """Our modules."""
    return sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")


def check_defaults(defaults: Mapping[str, Any]) -> None:
    """Each module of an action group takes the group's defaults."""
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    for name, options in defaults.items():
        for module in groups[name.removeprefix(f"group/{PREFIX}")]:
            assert option_faults(module, options, complete=False) == [], module


def test_playbooks_and_tasks_are_read_by_ansible(tmp_path: Path) -> None:
    files = []
    for number, block in enumerate(blocks("yaml")):
        book = plays(yaml.safe_load(block.text))
        if book is not None:
            files.append(tmp_path / f"{number}.yml")
            files[-1].write_text(yaml.safe_dump(book, sort_keys=False))
    done = ansible_playbook("--syntax-check", "-i", "inventories/example", *map(str, files))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("playbook: ") == len(files) > 10


# What is typed -------------------------------------------------------------------------------------------------------


def ansible_playbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The program beside this Python."""
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def playbook(name: str) -> Path | None:
    """The file of a playbook in a command; None for one of the reader's own."""
    if name.startswith(PREFIX):
        return ROOT / "playbooks" / f"{name.removeprefix(PREFIX)}.yml"
    return None if name == "cluster.yml" else ROOT / name


@cache
def runs() -> list[tuple[Block, Any]]:
    """Every run of ansible-playbook, as its own parser reads it."""
    found = []
    for block in blocks("console"):
        for words in commands(block):
            if words[0] == "ansible-playbook":
                cli = PlaybookCLI(words)
                cli.init_parser()
                found.append((block, cli.parser.parse_args(words[1:])))
    return found


def test_every_playbook_and_tag_is_there() -> None:
    files = sorted({str(file) for _block, options in runs() for file in map(playbook, options.args) if file})
    done = ansible_playbook("--list-tags", "-i", "inventories/example", *files)
    assert done.returncode == 0, done.stderr
    listed = {}
    for part in done.stdout.split("playbook: ")[1:]:
        words = [word for text in re.findall(r"TAGS: \[([^]]*)\]", part) for word in text.split(", ")]
        listed[part.splitlines()[0]] = set(words)
    missing = [
        (str(block), name, tag)
        for block, options in runs()
        for name in map(playbook, options.args)
        if name
        for tag in ",".join(options.tags).split(",")
        if options.tags and tag not in {*listed[str(name)], "all"}
    ]
    assert missing == []


def test_every_variable_of_a_command_is_known() -> None:
    names = [
        (str(block), text.partition("=")[0])
        for block, options in runs()
        for text in options.extra_vars or ()
        if not text.startswith(("@", "{"))
    ]
    assert len(names) > 3
    assert [(place, name) for place, name in names if not is_known(name)] == []


@cache
def targets() -> set[str]:
    """Targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@each("console")
def test_console(block: Block, tmp_path: Path) -> None:
    assert typed(block), "nothing is typed: language text"
    for command in typed(block):
        assert shell_fault(command) == ""
    for words in commands(block):
        check_command([word for word in words if not re.match(r"[A-Z_]+=", word)])
    for document in documents(block):
        if "kubectl apply" in document.command:
            assert load.load([], document.text)
        elif document.command.rstrip().endswith("hosts.yml"):
            assert inventory_faults(document.text, tmp_path) == []
        elif document.command.rstrip().endswith(".json"):
            json.loads(document.text)
        elif "python3" in document.command:
            compile(document.text, str(block), "exec")
        else:
            pytest.fail(f"nobody knows what {document.command} does with a document")


def check_command(words: list[str]) -> None:
    """A program that there is, with options that it has."""
    program, *rest = words
    if program == "sudo":
        check_command(rest)
    elif program in CLIS:
        cli = CLIS[program](words)
        cli.init_parser()
        options = cli.parser.parse_args(rest)
        for file in map(playbook, options.args) if program == "ansible-playbook" else ():
            assert file is None or file.is_file(), file
    elif program == "make":
        assert set(rest) <= targets()
    elif "/" in program:
        assert shutil.which(ROOT / program), program
        source = "".join(file.read_text() for file in sources(ROOT / program))
        for word in rest:
            assert not word.startswith("--") or re.search(rf"{word}(?![\w-])", source), f"{program} {word}"
    else:
        assert program in PROGRAMS or program in ("kubectl", "kubeadm"), program


def sources(program: Path) -> list[Path]:
    """A program and the Python files beside it."""
    return [program, *program.parent.rglob("*.py")]
