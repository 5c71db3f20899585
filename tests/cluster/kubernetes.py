"""Judges manifests offline: Kubernetes' own by its published schemas, KubeRay's by the fields of kuberay.yaml."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

KUBERNETES = "1.34"
"""Whose schemas judge: a version that managed clusters offer."""
_FIELDS = Path(__file__).with_name("kuberay.yaml")
_DEFINITIONS = "/api/_definitions.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file, which is named from the folder on."""

    file: str
    content: dict[str, Any]

    @property
    def kind(self) -> str:
        """Return its kind."""
        return str(self.content["kind"])

    @property
    def name(self) -> str:
        """Return its name, or what it begins with."""
        metadata = self.content["metadata"]
        return str(metadata.get("name") or metadata.get("generateName"))


def manifests(folder: Path) -> list[Manifest]:
    """Return every object of every file below a folder, in order; a kustomization is no object of the cluster."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            texts = path.read_text(encoding="utf-8")
            found += [Manifest(str(path.relative_to(folder)), content) for content in yaml.safe_load_all(texts)]
    return found


def problems(content: dict[str, Any]) -> list[str]:
    """Return what is wrong with an object; empty when it would be taken."""
    if content["apiVersion"].startswith("ray.io/"):
        return [f"{error.json_path}: {error.message}" for error in _validator(content["kind"]).iter_errors(content)]
    try:
        kubernetes_validate.validate(content, KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.InvalidSchemaError) as error:
        return [str(error)]
    return []


def pods(content: Any) -> Iterator[dict[str, Any]]:
    """Return every pod template inside an object."""
    if isinstance(content, dict):
        if "containers" in content.get("spec", {}) and content.get("kind") is None:
            yield content
        for value in content.values():
            yield from pods(value)
    elif isinstance(content, list):
        for value in content:
            yield from pods(value)


@cache
def _registry() -> "Registry[Any]":
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"
    content = json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))
    return Registry().with_resource(_DEFINITIONS, Resource.from_contents(content, default_specification=DRAFT202012))


@cache
def _validator(kind: str) -> Draft202012Validator:
    fields = yaml.safe_load(_FIELDS.read_text(encoding="utf-8"))
    kinds = {name: _object(rows) for name, rows in fields.items() if name[0].isupper()}
    schema = {"$defs": kinds, "$ref": f"#/$defs/{kind}"}
    if kind not in kinds:
        raise ValueError(f"kuberay.yaml knows no {kind}")
    kinds[kind]["properties"]["apiVersion"] = {"const": fields["group"]}
    kinds[kind]["properties"]["kind"] = {"const": kind}
    return Draft202012Validator(schema, registry=_registry())


def _object(rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name.rstrip("!"): _type(kind) for name, kind in rows.items()},
        "required": [name.rstrip("!") for name in rows if name.endswith("!")],
        "additionalProperties": False,
    }


def _type(kind: str | Sequence[str]) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"type": "array", "items": _type(kind[0])}
    word, *bound = str(kind).split(" ")
    if word in ("string", "boolean", "integer", "number"):
        return {"type": word} | ({"minimum": int(bound[0])} if bound else {})
    if word == "strings":
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if "|" in word:
        return {"enum": word.split("|")}
    return {"$ref": f"{_DEFINITIONS}#/$defs/{word[1:]}" if word.startswith("/") else f"#/$defs/{word}"}
