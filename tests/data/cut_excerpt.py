#!/usr/bin/env python3
"""Cuts the excerpts next to this file out of the published files (see README.md).

    cut_excerpt.py DIRECTORY

DIRECTORY holds gstt-payments-2020-04.csv.gz and madrid-budget-2012-2013.csv.gz. Lines are copied byte for byte and in
their order; nothing is changed, only left out.
"""

import csv
import gzip
import io
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
# Only suppliers that are evidently organisations: a public body, a large company, a company number after a colon.
ORGANISATION = re.compile(
    r"\b(LTD|LIMITED|PLC|LLP|NHS|UNIVERSITY|COUNCIL|COLLEGE|GMBH|HOSPITALS?|TRUST|AUTHORITY|INC|SERVICES)\b|:\d{6,8}$"
)
# A company that bears the name of one person may stand for that person.
PERSONAL = re.compile(r"\b(MR|MRS|MS|MISS|DR|PROF|PROFESSOR|SIR)\b|^[A-Z] [A-Z]+ |^[A-Z]+ [A-Z] ")
PAYMENT_TYPES = {"(81200)", "(81275)", "(81280)", "(81400)", "(83400)", "(80010)", "(31981)", "(84400)", "(89595)"}
PAYMENT_ROWS_A_TYPE = 75
PROGRAMMES = {"91100", "15501", "16301", "43110"}


def lines_of(path):
    """The header and the rows, each as its raw line and its fields."""
    raw = gzip.open(path).read()
    lines = raw.splitlines(keepends=True)
    fields = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert len(lines) == len(fields), "a field holds a line break"
    return lines[0], list(zip(lines[1:], fields[1:]))


def payments(directory):
    """Whole groups (supplier, type, area), so that returns find the same payments as in the full file."""
    header, rows = lines_of(directory / "gstt-payments-2020-04.csv.gz")
    groups = {}
    for number, (_, fields) in enumerate(rows):
        _, _, _, kind, area, supplier, _, amount = fields
        if kind.split(" ")[0] in PAYMENT_TYPES and ORGANISATION.search(supplier) and not PERSONAL.search(supplier):
            groups.setdefault((kind, area, supplier), []).append((number, amount.startswith("-")))
    chosen = set()
    count = {}
    # Groups with a negative row first: they are the interesting ones.
    for (kind, _, _), members in sorted(groups.items(), key=lambda item: (not any(n for _, n in item[1]), item[0])):
        if len(members) <= 20 and count.get(kind, 0) + len(members) <= PAYMENT_ROWS_A_TYPE:
            count[kind] = count.get(kind, 0) + len(members)
            chosen.update(number for number, _ in members)
    return [header] + [line for number, (line, _) in enumerate(rows) if number in chosen]


def budget(directory):
    """All lines of a few programmes in both years."""
    header, rows = lines_of(directory / "madrid-budget-2012-2013.csv.gz")
    return [header] + [line for line, fields in rows if fields[5] in PROGRAMMES]


def main():
    directory = pathlib.Path(sys.argv[1])
    for name, lines in (("payments-excerpt.csv", payments(directory)), ("budget-excerpt.csv", budget(directory))):
        (HERE / name).write_bytes(b"".join(lines))
        print(f"{name}: {len(lines) - 1} rows")


if __name__ == "__main__":
    main()
