"""Judges the machines of aws.yaml and gcp.yaml by the clouds' own descriptions of their APIs; run where their SDKs are.

Ray's own code for each of the three clouds is imported too, as it is when `ray up` begins.

Prints one line for each fault: `python sdk_check.py FOLDER-OF-THE-FILES`.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import botocore.validate
import googleapiclient
import yaml


def aws(types: dict[str, Any]) -> Iterator[str]:
    """Judge parameters of EC2's RunInstances, and whether there are such machines."""
    service = botocore.session.get_session().get_service_model("ec2")
    shape, machines = service.operation_model("RunInstances").input_shape, service.shape_for("InstanceType").enum
    for name, kind in types.items():
        given = {**kind["node_config"], "MinCount": 1, "MaxCount": 1}
        subnets = given.pop("SubnetIds")  # of Ray: it asks for one after the other
        given["SubnetId"] = subnets[0] if isinstance(subnets, list) and subnets else subnets
        if report := botocore.validate.ParamValidator().validate(given, shape).generate_report():
            yield f"aws {name}: {report}"
        if given["InstanceType"] not in machines:
            yield f"aws {name}: no machine {given['InstanceType']}"


def gcp(types: dict[str, Any]) -> Iterator[str]:
    """Judge bodies of Compute Engine's instances.insert."""
    path = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents" / "compute.v1.json"
    schemas = json.loads(path.read_text(encoding="utf-8"))["schemas"]

    def judge(value: Any, schema: dict[str, Any], place: str) -> Iterator[str]:
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema
        kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
        if not isinstance(value, kinds[schema["type"]]):
            yield f"{place}: {value!r} is no {schema['type']}"
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key in schema["properties"]:
                    yield from judge(inner, schema["properties"][key], f"{place}.{key}")
                else:
                    yield f"{place}.{key}: unknown"
        elif isinstance(value, list):
            for inner in value:
                yield from judge(inner, schema["items"], place)
        elif value not in schema.get("enum", [value]):
            yield f"{place}: {value} is none of {schema['enum']}"

    for name, kind in types.items():
        yield from judge(kind["node_config"], {"$ref": "Instance"}, f"gcp {name}")


def imports() -> Iterator[str]:
    """Import what Ray asks the clouds with."""
    for name in ("aws", "gcp", "_azure"):
        for module in ("config", "node_provider"):
            try:
                importlib.import_module(f"ray.autoscaler._private.{name}.{module}")
            except ImportError as error:
                yield f"{name}: {error}"


if __name__ == "__main__":
    print(*imports(), sep="\n")
    for cloud, faults in (("aws", aws), ("gcp", gcp)):
        config = yaml.safe_load((Path(sys.argv[1]) / f"{cloud}.yaml").read_text(encoding="utf-8"))
        print(*faults(config["available_node_types"]), sep="\n")
