"""Prints the results of `lastmile lab load` side by side: one column a file, one row a number.

    python3 scripts/bench-table.py target/bench/pap target/bench/chap
"""

import json
import pathlib
import sys


def numbers(value, name=""):
    """Every number in a JSON value, with the keys that lead to it joined by dots."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, value


def shown(value):
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def main(stems):
    columns = {}
    for stem in stems:
        path = pathlib.Path(f"{stem}.json")
        columns[path.stem] = dict(numbers(json.loads(path.read_text())))
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = [["", *columns]]
    rows += [[name, *(shown(column.get(name)) for column in columns.values())] for name in names]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        first, *rest = (cell.rjust(width) if at else cell.ljust(width) for at, (cell, width) in enumerate(zip(row, widths)))
        print("  ".join([first, *rest]))


main(sys.argv[1:])
