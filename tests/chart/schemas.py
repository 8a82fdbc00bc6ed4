"""Makes JSON schemas of Kubernetes' own API and of custom resources, one file a kind, for kubeconform.

They come from the projects' Go modules, which hold what the API server itself validates with: Kubernetes' OpenAPI document,
and the CustomResourceDefinitions of the others. Objects take no field that is not named there, as the API server does with
strict field validation.

    schemas.py FOLDER MODULE@VERSION[:PATH]...

`PATH` is where a module has its CustomResourceDefinitions; without it, it is Kubernetes.
"""

import json
import pathlib
import subprocess
import sys

import yaml

OPENAPI = "api/openapi-spec/swagger.json"
PREFIX = "#/definitions/"
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# Text in the document, and a number as well in the API.
TEXT_OR_NUMBER = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
}


class Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: a bare `=` is text."""


Loader.add_constructor("tag:yaml.org,2002:value", Loader.construct_yaml_str)


def module(name):
    """The folder of a module, fetched when it is not there."""
    told = subprocess.run(
        ["go", "mod", "download", "-json", name], cwd="/", check=True, capture_output=True, text=True
    )
    return pathlib.Path(json.loads(told.stdout)["Dir"])


def closed(schema):
    """The schema with objects that take no further field."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    result = {}
    for key, value in schema.items():
        if key == "properties" or key == "definitions":
            result[key] = {name: closed(one) for name, one in value.items()}
        elif key in ("items", "additionalProperties"):
            result[key] = closed(value)
        elif key not in ("description", "format", "default") and not key.startswith("x-kubernetes-"):
            # Branches of `oneOf` and the like name single fields of an object that is described elsewhere.
            result[key] = value
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        result["type"] = [schema["type"], "null"]
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not is_open:
        result["additionalProperties"] = False
    return result


def references(schema):
    """The definitions that a schema names."""
    if isinstance(schema, dict):
        # A property may have this name, too.
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(PREFIX)
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def with_definitions(schema, definitions):
    """The schema with all definitions that it needs."""
    needed, open_names = {}, list(references(schema))
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed[name] = definitions[name]
            open_names.extend(references(definitions[name]))
    return {**schema, "definitions": needed}


def write(folder, group, version, kind, schema):
    schema = {**schema, "required": sorted({"apiVersion", "kind", *schema.get("required", [])})}
    # kubeconform says `v1` for the group of the core's kinds.
    name = f"{group or version}_{version}_{kind.lower()}.json"
    (folder / name).write_text(json.dumps(schema))


def kubernetes(folder, directory):
    document = json.loads((directory / OPENAPI).read_text())
    definitions = {}
    for name, schema in document["definitions"].items():
        types = TEXT_OR_NUMBER.get(name)
        definitions[name] = {"type": types} if types else closed(schema)
    for name, schema in document["definitions"].items():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if len(kinds) == 1 and "metadata" in schema.get("properties", {}):
            one = kinds[0]
            full = with_definitions(definitions[name], definitions)
            write(folder, one["group"], one["version"], one["kind"], full)
    return definitions


def custom(folder, path, definitions):
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    count = 0
    for file in files:
        for document in yaml.load_all(file.read_text(), Loader=Loader):
            if not document or document.get("kind") != "CustomResourceDefinition":
                continue
            spec = document["spec"]
            for version in spec["versions"]:
                schema = closed(version["schema"]["openAPIV3Schema"])
                schema["properties"] |= {
                    "apiVersion": {"const": f"{spec['group']}/{version['name']}"},
                    "kind": {"const": spec["names"]["kind"]},
                    "metadata": {"$ref": PREFIX + METADATA},
                }
                schema = with_definitions(schema, definitions)
                write(folder, spec["group"], version["name"], spec["names"]["kind"], schema)
                count += 1
    if not count:
        sys.exit(f"{path}: no CustomResourceDefinition there")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    definitions = None
    for argument in sys.argv[2:]:
        name, _, path = argument.partition(":")
        directory = module(name)
        if not path:
            definitions = kubernetes(folder, directory)
        else:
            custom(folder, directory / path, definitions)
    print(f"{len(list(folder.iterdir()))} schemas in {folder}")


if __name__ == "__main__":
    main()
