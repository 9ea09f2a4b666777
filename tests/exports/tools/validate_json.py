"""Holds a document against a JSON schema: validate_json.py SCHEMA DOCUMENT."""

import json
import sys

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    document = json.load(file)
validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())
errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]
print("\n".join(errors[:20]))
sys.exit(bool(errors))
