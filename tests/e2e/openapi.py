"""As much of JSON Schema as the server's OpenAPI document uses, and nothing it does not know."""

KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
KNOWN = {"type", "required", "properties", "additionalProperties", "items", "enum", "const",
         "minimum", "maximum", "minLength", "maxLength", "maxItems", "$ref", "description"}


class Wrong(Exception):
    """The value is not what the document says."""


def is_kind(value, kind):
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(
            value, bool)
    return isinstance(value, KINDS[kind])


def resolve(document, schema):
    while "$ref" in schema:
        at = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        schema = at
    return schema


def check(document, schema, value, place="answer"):
    schema = resolve(document, schema)
    unknown = set(schema) - KNOWN
    if unknown:
        raise Wrong(f"{place}: the checker does not know {unknown}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_kind(value, kind) for kind in kinds):
        raise Wrong(f"{place}: {value!r} is not {kinds}")
    if "const" in schema and value != schema["const"]:
        raise Wrong(f"{place}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        raise Wrong(f"{place}: {value!r} is none of {schema['enum']}")
    for bound, bad in (("minimum", lambda v, b: v < b), ("maximum", lambda v, b: v > b),
                       ("minLength", lambda v, b: len(v) < b), ("maxLength", lambda v, b: len(v) > b),
                       ("maxItems", lambda v, b: len(v) > b)):
        if bound in schema and bad(value, schema[bound]):
            raise Wrong(f"{place}: {value!r} breaks {bound} {schema[bound]}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            check(document, schema.get("items", {}), item, f"{place}[{index}]")
    if isinstance(value, dict):
        missing = set(schema.get("required", ())) - set(value)
        if missing:
            raise Wrong(f"{place}: lacks {missing}")
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            if inner is False:
                raise Wrong(f"{place}: {name} is not in the document")
            check(document, {} if inner is True else inner, item, f"{place}.{name}")


def check_answer(document, method, path, status, body):
    """Holds an answer against what the document says of its path and status."""
    operation = document["paths"][path][method.lower()]
    if str(status) not in operation["responses"]:
        raise Wrong(f"{method} {path}: {status} is not in the document")
    response = resolve(document, operation["responses"][str(status)])
    check(document, response["content"]["application/json"]["schema"], body, f"{path} {status}")
