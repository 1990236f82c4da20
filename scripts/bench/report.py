"""What the benchmark found: the table and the ratios, printed, as JSON and for a document."""

import json
import pathlib

HEADINGS = [
    "row", "cores", "requests/s", "p50 ms", "p99 ms", "p99.9 ms",
    "busy %", "gen %", "CPU s/100k", "requests/CPU s", "peak MB", "lost",
]

RATIO_HEADINGS = ["ours", "theirs", "by", "ratio", "target", ""]

LIMIT_HEADINGS = ["row", "of", "measured", "target", ""]

# A generator that used more of its core held the server back.
GENERATOR_CPU_SHARE_MAX = 0.95

# What others may use of one core before a row is called disturbed.
OTHERS_CPU_SHARE_MAX = 0.15

CPU = "requests_per_cpu_second"
RATE = "throughput_per_second"

# What is compared: our row, the other's, by which number, and how many times as much is aimed at.
RATIOS = [
    ("lastmile-sqlite/pap", "echo/volley", CPU, None),
    ("lastmile-sqlite/pap", "responder/pap", CPU, 0.8),
    ("lastmile-sqlite/pap", "freeradius-files/pap", CPU, 4),
    ("lastmile-sqlite/chap", "freeradius-files/chap", CPU, 4),
    ("lastmile-sqlite/mschapv2", "freeradius-files/mschapv2", CPU, 4),
    ("lastmile-sqlite/pap", "freeradius-sqlite/pap", RATE, 100),
    ("lastmile-sqlite/pap", "freeradius-sqlite-tuned/pap", RATE, 20),
    ("lastmile-postgresql/pap", "freeradius-postgresql/pap", RATE, 60),
    ("lastmile-postgresql/pap", "freeradius-postgresql-tuned/pap", RATE, 20),
    ("lastmile-sqlite/accounting", "freeradius-sqlite/accounting", RATE, 20),
    ("lastmile-sqlite/accounting", "freeradius-sqlite-tuned/accounting", RATE, 7),
    ("lastmile-postgresql/accounting", "freeradius-postgresql/accounting", RATE, None),
    ("lastmile-postgresql/accounting", "freeradius-postgresql-tuned/accounting", RATE, None),
    ("lastmile-postgresql/accounting-two-cores", "freeradius-postgresql/accounting-two-cores", RATE, 4),
    ("lastmile-postgresql/accounting-two-cores", "freeradius-postgresql-tuned/accounting-two-cores", RATE, 4),
]

# How it grows: throughput must stay.
RATIOS += [("responder-many/pap", "responder-few/pap", CPU, None)]
RATIOS += [
    (f"lastmile-{database}{larger}", f"lastmile-{database}{smaller}", measure, 0.8)
    for database in ("sqlite", "postgresql")
    for larger, smaller, measure in (
        ("-many/pap", "-few/pap", CPU),
        ("-year/accounting", "/accounting", RATE),
    )
]

# What a row must reach by itself: by which number, whether at least or at most, and how to show it.
LEAST, MOST = "at least", "at most"
LIMITS = [
    ("lastmile-sqlite/accounting", RATE, LEAST, 25_000, ("{:,.0f}/s", 1)),
    *(
        (f"lastmile-{database}/{mix}", number, relation, bound, shown)
        for database in ("sqlite", "postgresql")
        for mix, number, relation, bound, shown in (
            ("pap-half", "p99_us", MOST, 1_000, ("p99 {:,.2f} ms", 1_000)),
            ("accounting-half", "p99_us", MOST, 10_000, ("p99 {:,.2f} ms", 1_000)),
            ("storm", "p99_us", MOST, 50_000, ("p99 {:,.2f} ms", 1_000)),
            ("storm", "missing", MOST, 0, ("{:,.0f} not back", 1)),
        )
    ),
    *(
        (f"lastmile-{database}-many/pap", number, MOST, bound, shown)
        for database in ("sqlite", "postgresql")
        for number, bound, shown in (
            ("ready_seconds", 10, ("ready after {:,.1f} s", 1)),
            ("memory_after_start_bytes", 700e6, ("{:,.0f} MB at start", 1e6)),
        )
    ),
]


def ratios(rows):
    """How many times as much we do, wherever both rows were measured."""
    by_name = {row["row"]: row for row in rows if "error" not in row}
    found = []
    for ours, theirs, measure, target in RATIOS:
        pair = [by_name.get(name, {}).get(measure) for name in (ours, theirs)]
        if not all(pair):
            continue
        ratio = pair[0] / pair[1]
        found.append({
            "ours": ours, "theirs": theirs, "measure": measure, "ratio": ratio,
            "target": target, "is_met": None if target is None else target <= ratio,
        })
    return found


def limits(rows):
    """How rows stand that must reach something by themselves."""
    by_name = {row["row"]: row for row in rows if "error" not in row}
    found = []
    for name, measure, relation, bound, (form, unit) in LIMITS:
        value = by_name.get(name, {}).get(measure)
        if value is None:
            continue
        found.append({
            "row": name, "measure": measure, "value": value, "relation": relation, "target": bound,
            "is_met": bound <= value if relation == LEAST else value <= bound,
            "shown": form.format(value / unit),
            "shown_target": f"{relation} {bound / unit:,g}",
        })
    return found


def limit_cells(limit):
    is_met = "met" if limit["is_met"] else "not met"
    return [limit["row"], limit["measure"], limit["shown"], limit["shown_target"], is_met]


def cells(row):
    if "error" in row:
        return [row["row"], row["cores"], "failed", *[""] * (len(HEADINGS) - 3)]
    return [
        row["row"],
        row["cores"],
        f"{row[RATE]:,.0f}",
        *(f"{row[name] / 1_000:,.2f}" for name in ("p50_us", "p99_us", "p999_us")),
        *(f"{row[name]:.0%}".removesuffix("%") for name in ("server_cpu_share", "generator_cpu_share")),
        f"{row['server_cpu_seconds_per_100k']:,.3f}",
        f"{row[CPU]:,.0f}",
        f"{row['peak_memory_bytes'] / 1e6:,.0f}",
        f"{row['lost']:,}",
    ]


def ratio_cells(ratio):
    is_met = {None: "", True: "met", False: "not met"}[ratio["is_met"]]
    target = "" if ratio["target"] is None else f"{ratio['target']:g}"
    measure = {CPU: "requests/CPU s", RATE: "requests/s"}[ratio["measure"]]
    return [ratio["ours"], ratio["theirs"], measure, f"{ratio['ratio']:,.2f}", target, is_met]


def table(headings, rows, left):
    """Columns in line; the first `left` of them begin there, the others end there."""
    lines = [headings, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    )


def markdown(headings, rows, left):
    """The same columns for a document."""
    rule = ["---" if at < left else "---:" for at in range(len(headings))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [headings, rule, *rows])


def write(path, about, rows):
    """Prints the tables, and keeps everything in one JSON file and the tables in a document."""
    compared, reached = ratios(rows), limits(rows)
    tables = [(HEADINGS, [cells(row) for row in rows], 2)]
    if compared:
        tables.append((RATIO_HEADINGS, [ratio_cells(ratio) for ratio in compared], 3))
    if reached:
        tables.append((LIMIT_HEADINGS, [limit_cells(limit) for limit in reached], 2))
    print("\n\n".join(table(*each) for each in tables))
    for row in rows:
        for name, count in row.get("counters", {}).items():
            print(f"\n{row['row']}: {name} {count:,.0f}")
        if "error" in row:
            print(f"\n{row['row']}: {row['error']}")
    disturbed = [
        f"{row['row']} ({row['others_cpu_share']:.0%} of a core)"
        for row in rows
        if OTHERS_CPU_SHARE_MAX < row.get("others_cpu_share", 0)
    ]
    if disturbed:
        print(f"\nOther programs were at work, so these rates are too low: {', '.join(disturbed)}")
    bound = [
        row["row"] for row in rows if GENERATOR_CPU_SHARE_MAX < row.get("generator_cpu_share", 0)
    ]
    if bound:
        print(f"\nGenerator-bound, so the server could do more: {', '.join(bound)}")
    result = {**about, "rows": rows, "ratios": compared, "limits": reached}
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    document = "\n\n".join(markdown(*each) for each in tables)
    path.with_suffix(".md").write_text(f"{document}\n")
    print(f"\nEverything that was measured: {path}")
