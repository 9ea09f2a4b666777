"""Holds a document against a schema: validate_xml.py SCHEMA DOCUMENT."""

import sys

from lxml import etree

schema = etree.XMLSchema(etree.parse(sys.argv[1]))
schema.assertValid(etree.parse(sys.argv[2]))
