"""What the runbooks tell an operator to type: blocks of commands, and whether each command exists."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click
import yaml
from ray.scripts.scripts import cli as ray_cli

from huracan.cli import cli
from tests.cluster.kubernetes import manifests

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "runbooks"
_BLOCK = re.compile(r"^```(bash|sh)\n(.*?)^```", re.M | re.S)
_KUBECTL = {"apply", "create", "get", "describe", "logs", "exec", "scale", "delete", "rollout", "port-forward", "wait"}
_SHELL = {
    *("cd", "rm", "sed", "cat", "export", "sleep", "until", "kill", "wait", "bash", "make", "python"),
    *("psql", "pg_dump", "pg_restore", "createdb", "dropdb", "pip"),
    *("set", "eval", "test", "mkdir", "mv", "ls", "date"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """A block of commands.

    Attributes:
        file: of the runbook.
        runs: it is run by a test, as it stands.
        text: its lines.
    """

    file: str
    runs: bool
    text: str


def blocks(file: str | None = None) -> list[Block]:
    """Return the blocks of one runbook, or of all, in order."""
    found = []
    for path in sorted(FOLDER.glob("*.md")):
        if file in (None, path.name):
            rows = _BLOCK.findall(path.read_text(encoding="utf-8"))
            found += [Block(path.name, kind == "bash", text) for kind, text in rows]
    return found


def run_blocks(file: str) -> list[str]:
    """Return the texts of a runbook's blocks that a test runs."""
    return [block.text for block in blocks(file) if block.runs]


def problems(line: str) -> list[str]:
    """Return what is wrong with a line: a program, command, option or object that there is not."""
    found: list[str] = []
    for command in _commands(line):
        words = [word for word in command if not re.match(r"[A-Z_]+=", word)]
        if not words:
            continue
        program, rest = words[0], words[1:]
        if program == "huracan":
            found += _click(cli, rest, line)
        elif program == "ray":
            found += _click(ray_cli, rest, line)
            if rest[:1] == ["exec"]:
                found += problems(rest[2])
        elif program == "kubectl":
            found += _kubectl(rest)
        elif program == "helm":
            found += _helm(rest)
        elif program == "docker":
            found += _compose(rest)
        elif program not in _SHELL:
            found.append(f"unknown program {program}")
    return found


def _commands(line: str) -> list[list[str]]:
    """Return the simple commands of a line, those inside `$( )` and parentheses included, less redirections."""
    text, inner = _cut_out(line)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    skip = False
    for word in lexer:
        if skip:
            skip = False
        elif re.fullmatch(r"[<>]+&?", word):
            skip = True
        elif re.fullmatch(r"[|&;()]+", word) or word in ("do", "done"):
            commands.append([])
        elif word not in ("umask", "077", "echo", "until", "grep", "&") or commands[-1]:
            commands[-1].append(word)
        else:
            commands.append([])
            skip = word in ("umask", "echo")
    found = [command for command in commands if command and not command[0].startswith(("X", "-", '"', "HURACAN"))]
    return found + [command for text in inner for command in _commands(text)]


def _cut_out(line: str) -> tuple[str, list[str]]:
    """Return a line with X for each `$( )`, and what stood in them."""
    inner = []
    while (begin := line.find("$(")) >= 0:
        depth, end = 1, begin + 2
        while depth:
            depth += {"(": 1, ")": -1}.get(line[end], 0)
            end += 1
        inner.append(line[begin + 2 : end - 1])
        line = f"{line[:begin]}X{line[end:]}"
    return line, inner


def _click(group: click.Command, words: list[str], line: str) -> list[str]:
    """Follow words down a program's commands; return an unknown one, or an option that the last one does not take."""
    command, rest = group, list(words)
    while isinstance(command, click.Group) and rest:
        if rest[0].startswith("-"):
            break
        following = command.get_command(click.Context(command), rest[0])
        if following is None:
            return [f"{line}: no command {rest[0]}"]
        command, rest = following, rest[1:]
    if "--" in rest:
        rest = rest[: rest.index("--")]
    options = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    given = [word.split("=")[0] for word in rest if word.startswith("-") and word != "-"]
    return [f"{line}: no option {word}" for word in given if word not in options]


def _kubectl(words: list[str]) -> list[str]:
    """Hold that the verb is known, files exist, and objects of huracan that are named stand in cluster/kuberay."""
    if words[0] not in _KUBECTL:
        return [f"unknown verb {words[0]}"]
    there = manifests(ROOT / "cluster" / "kuberay")
    names = {f"{one.kind.lower()}/{one.name}" for one in there}
    used = {
        name for one in there for name in re.findall(r"name: (huracan-[\w-]+)|secretName: ([\w-]+)", _text(one.file))
    }
    flat = {part for pair in used for part in pair if part}
    found = []
    for index, word in enumerate(words):
        if word in ("-f", "-k") and not (ROOT / words[index + 1]).exists():
            found.append(f"no {words[index + 1]}")
        if re.fullmatch(r"(deployment|statefulset|cronjob|job)/[\w-]+", word.removeprefix("--from=")):
            if word.removeprefix("--from=") not in names:
                found.append(f"no object {word}")
        elif word in ("rayservice", "raycluster", "rayjob") and f"{word}/{words[index + 1]}" not in names:
            found.append(f"no {word} {words[index + 1]}")
        elif word in ("secret", "configmap"):
            name = words[index + 1 + (words[index + 1] == "generic")]
            if name not in flat:
                found.append(f"no manifest uses {word} {name}")
    return found


def _helm(words: list[str]) -> list[str]:
    """Hold that a chart is KubeRay's, in the manifests' version, in the namespace that network.yaml lets in."""
    if words[:2] == ["repo", "add"]:
        return (
            [] if words[2:] == ["kuberay", "https://ray-project.github.io/kuberay-helm/"] else [f"repository {words}"]
        )
    if words[:3] != ["install", "kuberay-operator", "kuberay/kuberay-operator"]:
        return [f"unknown chart {words}"]
    version = yaml.safe_load(Path(__file__).with_name("kuberay.yaml").read_text(encoding="utf-8"))["version"]
    found = [] if words[words.index("--version") + 1] == version else [f"the manifests are for KubeRay {version}"]
    namespace = words[words.index("--namespace") + 1]
    let_in = f"kubernetes.io/metadata.name: {namespace}}}"
    return found + ([] if let_in in _text("network.yaml") else [f"network.yaml does not let in {namespace}"])


def _compose(words: list[str]) -> list[str]:
    """Hold that it is about the compose file, by a command that there is, of services that there are."""
    if words[:3] != ["compose", "--file", "cluster/compose.yaml"] or words[3] not in ("up", "exec", "down", "logs"):
        return [f"docker {words}"]
    services = yaml.safe_load((ROOT / "cluster" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    names = [word for word in words[4:] if not word.startswith("-")]
    if words[3] != "exec":
        return [f"no service {name}" for name in names if name not in services]
    if names[0] not in services:
        return [f"no service {names[0]}"]
    inside = " ".join(words[words.index(names[0]) + 1 :])
    return problems(inside) if names[1] == "huracan" else []


def _text(file: str) -> str:
    return (ROOT / "cluster" / "kuberay" / file).read_text(encoding="utf-8")
