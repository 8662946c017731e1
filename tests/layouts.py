"""Whether what is written for machines has the layout of its schema."""

import json

import jsonschema


def validate(root, name, data):
    """Raise unless ``data`` is as ``schemas/<name>.json`` says."""
    schema = json.loads((root / "schemas" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
