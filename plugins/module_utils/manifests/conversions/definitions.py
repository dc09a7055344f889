# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""CustomResourceDefinitions to apiextensions.k8s.io/v1: a structural schema for each version.

What is structural is written in k8s.io/apiextensions-apiserver, pkg/apiserver/schema/validation.go, and at
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema.
Validation that is structural is kept; what is not is left out, and each place is reported. Fields that v1beta1 kept
although no schema names them are kept (x-kubernetes-preserve-unknown-fields), unless preserveUnknownFields was false.
"""

from __future__ import annotations

import copy
from typing import Any

from ...common.redact import foreign

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
_APPROVED = "api-approved.kubernetes.io"
_JUNCTORS = ("allOf", "anyOf", "oneOf")
# Fields of OpenAPI and JSON schema that a CRD of v1 must not have.
_FORBIDDEN = (
    "$ref",
    "definitions",
    "dependencies",
    "patternProperties",
    "deprecated",
    "discriminator",
    "id",
    "readOnly",
)
_FORBIDDEN += ("writeOnly", "xml", "additionalItems", "$schema")
# All that JSONSchemaProps has. Servers of v1beta1 ignored other fields without a word; one of v1 refuses to apply them.
# k8s.io/apiextensions-apiserver, pkg/apis/apiextensions/v1/types_jsonschema.go
_KNOWN = {
    *_FORBIDDEN,
    *("description", "type", "format", "title", "default", "nullable", "enum", "example", "externalDocs"),
    *("maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "multipleOf", "maxLength", "minLength", "pattern"),
    *("items", "maxItems", "minItems", "uniqueItems"),
    *("properties", "additionalProperties", "required", "maxProperties", "minProperties"),
    *("allOf", "oneOf", "anyOf", "not"),
    *(
        "x-kubernetes-embedded-resource",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ),
    *("x-kubernetes-validations", PRESERVE, INT_OR_STRING),
}
# What must not stand inside allOf, anyOf, oneOf and not.
_NOT_IN_JUNCTORS = ("description", "type", "default", "additionalProperties", "nullable", "title")
_INTEGER_OR_STRING = ({"type": "integer"}, {"type": "string"})


def definition(document: dict) -> tuple[dict, list[str]]:
    """One CustomResourceDefinition of apiextensions.k8s.io/v1beta1."""
    document = copy.deepcopy(document)
    document.pop("status", None)
    changes: list[str] = []
    spec = document.get("spec") or {}
    prune = spec.pop("preserveUnknownFields", None) is False
    shared = {key: spec.pop(key, None) for key in ("validation", "subresources", "additionalPrinterColumns")}
    name = spec.pop("version", None)
    versions = spec.get("versions") or ([{"name": name, "served": True, "storage": True}] if name else [])
    if not versions:
        raise ValueError("it has neither spec.version nor spec.versions")
    for version in versions:
        _version(version, shared, prune, changes)
    spec["versions"] = versions
    spec.setdefault("scope", "Namespaced")
    _conversion(spec, changes)
    group = str(spec.get("group") or "")
    if group.endswith((".k8s.io", ".kubernetes.io")) or group in ("k8s.io", "kubernetes.io"):
        metadata = document["metadata"]
        if _APPROVED not in (metadata.get("annotations") or {}):
            metadata["annotations"] = {
                **(metadata.get("annotations") or {}),
                _APPROVED: "unapproved, kept from apiextensions.k8s.io/v1beta1",
            }
            changes.append(f"annotation {_APPROVED} added, which v1 requires for Kubernetes' groups")
    return document, changes


def _version(version: dict, shared: dict[str, Any], prune: bool, changes: list[str]) -> None:
    """Give one version its own schema, subresources and columns."""
    name = version.get("name")
    validation = version.pop("schema", None) or shared["validation"] or {}
    for key in validation:
        if key != "openAPIV3Schema":
            raise ValueError(f"its validation has {foreign(key, 60)}, where openAPIV3Schema alone belongs")
    old = validation.get("openAPIV3Schema")
    if old is not None and not isinstance(old, dict):
        raise ValueError("its openAPIV3Schema is not a mapping")
    if old:
        dropped: list[str] = []
        schema = structural(copy.deepcopy(old), prune, dropped)
        changes.extend(f"{name}: {entry}" for entry in dropped)
        changes.append(f"{name}: the validation is this version's own schema now")
    else:
        schema = {"type": "object", PRESERVE: True}
        changes.append(f"{name}: no validation, so schema type: object with {PRESERVE}: true")
    version["schema"] = {"openAPIV3Schema": schema}
    if shared["subresources"] is not None:
        version.setdefault("subresources", copy.deepcopy(shared["subresources"]))
    columns = version.pop("additionalPrinterColumns", None) or shared["additionalPrinterColumns"]
    if columns:
        version["additionalPrinterColumns"] = [_column(column) for column in columns]


def _column(column: dict) -> dict:
    renamed = {key: value for key, value in column.items() if key != "JSONPath"}
    if "JSONPath" in column:
        renamed["jsonPath"] = column["JSONPath"]
    return renamed


def _conversion(spec: dict, changes: list[str]) -> None:
    conversion = spec.get("conversion")
    if not conversion:
        spec.pop("conversion", None)
        return
    client = conversion.pop("webhookClientConfig", None)
    reviewed = conversion.pop("conversionReviewVersions", None)
    if conversion.get("strategy") == "Webhook":
        conversion["webhook"] = {
            "clientConfig": client or {},
            "conversionReviewVersions": reviewed or ["v1beta1"],
        }
        changes.append("spec.conversion.webhookClientConfig is now spec.conversion.webhook.clientConfig")


def structural(schema: dict, prune: bool, dropped: list[str]) -> dict:
    """The structural form of a root schema.

    :param prune: whether unknown fields are pruned, as they were with preserveUnknownFields: false.
    :param dropped: takes one sentence for each piece of validation that is not structural.
    """
    unknown: dict[str, int] = {}
    _drop_unknown(schema, unknown)
    dropped.extend(f"{key} left out, which no server knew ({places} places)" for key, places in sorted(unknown.items()))
    schema["type"] = "object"
    schema = _node(schema, "", prune, dropped)
    properties = schema.get("properties") or {}
    if "metadata" in properties:
        kept = {"type": "object"}
        if properties["metadata"] not in (kept, {**kept, PRESERVE: True}):
            name = ((properties["metadata"].get("properties") or {}).get("name")) or {}
            if name:
                kept["properties"] = {
                    "name": {
                        "type": "string",
                        **{k: v for k, v in name.items() if k in ("pattern", "maxLength", "minLength")},
                    }
                }  # type: ignore[assignment]
        properties["metadata"] = kept
    for field in ("apiVersion", "kind"):
        if field in properties:
            properties[field] = {"type": "string"}
    return schema


def _drop_unknown(schema: Any, counts: dict[str, int]) -> None:
    """Take fields out that no schema has, at any depth."""
    if not isinstance(schema, dict):
        return
    for key in [key for key in schema if key not in _KNOWN]:
        del schema[key]
        counts[key] = counts.get(key, 0) + 1
    inner = [schema.get(key) for key in ("items", "additionalProperties", "not")]
    for key in _JUNCTORS:
        inner += schema[key] if isinstance(schema.get(key), list) else []
    inner += schema["properties"].values() if isinstance(schema.get("properties"), dict) else []
    for child in inner:
        _drop_unknown(child, counts)


def _node(schema: Any, path: str, prune: bool, dropped: list[str]) -> dict:
    """The structural form of one schema below the root."""
    if not isinstance(schema, dict):
        dropped.append(f"schema at {path or '.'} was no mapping, any value is allowed now")
        return {PRESERVE: True}
    for key in _FORBIDDEN:
        if key in schema:
            del schema[key]
            dropped.append(f"{key} at {path or '.'} left out, v1 does not allow it")
    if schema.pop("uniqueItems", False):
        dropped.append(f"uniqueItems at {path or '.'} left out, v1 does not allow it")
    _int_or_string(schema)
    _type(schema, path, dropped)
    _children(schema, path, prune, dropped)
    _junctors(schema, path, dropped)
    if schema.get("type") == "object" and not prune and "additionalProperties" not in schema:
        schema[PRESERVE] = True
    return schema


def _int_or_string(schema: dict) -> None:
    """The ways in which v1beta1 said that a value is a number or a text."""
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    either = isinstance(alternatives, list) and sorted(map(str, alternatives)) == sorted(map(str, _INTEGER_OR_STRING))
    if schema.get("format") == "int-or-string" or schema.get(INT_OR_STRING) or (either and "type" not in schema):
        for key in ("type", "format"):
            schema.pop(key, None)
        if either:
            schema.pop("anyOf", None)
            schema.pop("oneOf", None)
        schema[INT_OR_STRING] = True


def _type(schema: dict, path: str, dropped: list[str]) -> None:
    """Every schema needs a type."""
    if schema.get(INT_OR_STRING) or (isinstance(schema.get("type"), str) and schema["type"]):
        return
    schema.pop("type", None)
    if "properties" in schema or "additionalProperties" in schema or "required" in schema:
        schema["type"] = "object"
    elif "items" in schema:
        schema["type"] = "array"
    elif (
        (
            isinstance(schema.get("enum"), list)
            and schema["enum"]
            and all(isinstance(value, str) for value in schema["enum"])
        )
        or "pattern" in schema
        or "maxLength" in schema
        or "minLength" in schema
    ):
        schema["type"] = "string"
    elif "maximum" in schema or "minimum" in schema or "multipleOf" in schema:
        schema["type"] = "number"
    elif not schema.get(PRESERVE):
        schema[PRESERVE] = True
        dropped.append(f"schema at {path or '.'} had no type, any value is allowed")


def _children(schema: dict, path: str, prune: bool, dropped: list[str]) -> None:
    properties = schema.get("properties")
    if properties is not None:
        schema["properties"] = {
            name: _node(child, f"{path}.{name}", prune, dropped) for name, child in (properties or {}).items()
        }
    more = schema.get("additionalProperties")
    if more is not None:
        if properties or more is False:
            del schema["additionalProperties"]
            if more is not False:
                schema[PRESERVE] = True
            dropped.append(f"additionalProperties at {path or '.'} left out, v1 does not allow it there")
        elif more is True or more == {}:
            del schema["additionalProperties"]
            schema[PRESERVE] = True
        else:
            schema["additionalProperties"] = _node(more, f"{path}.*", prune, dropped)
    items = schema.get("items")
    if isinstance(items, list):
        schema["items"] = {PRESERVE: True}
        dropped.append(f"items at {path or '.'} was a list of schemas, any item is allowed now")
    elif items is not None:
        schema["items"] = _node(items, f"{path}[]", prune, dropped)
    elif schema.get("type") == "array":
        schema["items"] = {PRESERVE: True}
        dropped.append(f"items at {path or '.'} were not described, any item is allowed")


def _junctors(schema: dict, path: str, dropped: list[str]) -> None:
    """Keep logical junctors whose fields are described outside of them; strip what must not be inside."""
    for key in _JUNCTORS:
        if key in schema:
            kept = [_inside(entry, schema) for entry in schema[key] or []]
            if not kept or any(entry is None for entry in kept):
                del schema[key]
                dropped.append(f"{key} at {path or '.'} left out, it is not structural")
            else:
                schema[key] = kept
    if "not" in schema:
        inside = _inside(schema["not"], schema)
        if inside is None:
            del schema["not"]
            dropped.append(f"not at {path or '.'} left out, it is not structural")
        else:
            schema["not"] = inside


def _inside(entry: Any, outer: dict) -> dict | None:
    """One branch of a junctor in structural form; None when it cannot be brought there without a change of meaning."""
    if not isinstance(entry, dict):
        return None
    kept: dict[str, Any] = {}
    for key, value in entry.items():
        if key in ("description", "title"):
            continue
        if key == "type":
            if value != outer.get("type"):
                return None
            continue
        if key in _NOT_IN_JUNCTORS or key in _FORBIDDEN or key.startswith("x-kubernetes-") or key == "uniqueItems":
            return None
        if key == "properties":
            known = outer.get("properties") or {}
            branches = {name: _inside(child, known[name]) if name in known else None for name, child in value.items()}
            if any(branch is None for branch in branches.values()):
                return None
            kept[key] = branches
        elif key == "items":
            branch = _inside(value, outer.get("items") or {})
            if branch is None:
                return None
            kept[key] = branch
        elif key in _JUNCTORS:
            branches_list = [_inside(child, outer) for child in value]
            if any(branch is None for branch in branches_list):
                return None
            kept[key] = branches_list
        elif key == "not":
            branch = _inside(value, outer)
            if branch is None:
                return None
            kept[key] = branch
        else:
            kept[key] = value
    return kept
