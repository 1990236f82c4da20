"""What is measured: peers, what each is asked, and what BENCH_ROWS and BENCH_GROWTH choose of it."""

import os

from process import BenchError

LOGINS = ["pap", "chap", "mschapv2"]
TWO_CORES = "accounting-two-cores"
# At half of what the same peer has just reached with the same mix, as an open loop.
HALF = "-half"
STORM = "storm"

# Each peer with what it is asked, in the order of measurement.
PEERS = {
    "echo": ["volley"],
    "responder": ["pap"],
    "lastmile-sqlite": [*LOGINS, "accounting", f"pap{HALF}", f"accounting{HALF}", STORM],
    "lastmile-postgresql": [
        *LOGINS, "accounting", TWO_CORES, f"pap{HALF}", f"accounting{HALF}", STORM,
    ],
    "freeradius-files": [*LOGINS, f"pap{HALF}"],
    "freeradius-sqlite": ["pap", "accounting"],
    "freeradius-sqlite-tuned": ["pap", "accounting"],
    "freeradius-postgresql": ["pap", "accounting", TWO_CORES],
    "freeradius-postgresql-tuned": ["pap", "accounting", TWO_CORES],
}

# How it grows: few subscribers and many, an empty history and a year of it.
FEW, MANY, YEAR = "-few", "-many", "-year"
GROWTH = {
    # What more subscribers cost anybody: their memory is farther away.
    **{f"responder{size}": ["pap"] for size in (FEW, MANY)},
    **{
        f"lastmile-{database}{size}": [mix]
        for database in ("sqlite", "postgresql")
        for size, mix in ((FEW, "pap"), (MANY, "pap"), ("", "accounting"), (YEAR, "accounting"))
    },
}


def number(name, default):
    text = os.environ.get(name, "") or str(default)
    if not text.isdigit() or not int(text):
        raise BenchError(f"{name} is '{text}': give a number from 1")
    return int(text)


def is_growth():
    return bool(os.environ.get("BENCH_GROWTH"))


def base(mix):
    """The mix whose rate another one takes half of; the mix itself for those that do not."""
    return mix.removesuffix(HALF)


def chosen_rows():
    """The rows that BENCH_ROWS names, by peer or by peer and mix; all without it."""
    peers = GROWTH if is_growth() else PEERS
    every = [(peer, mix) for peer, mixes in peers.items() for mix in mixes]
    wanted = [name.strip() for name in os.environ.get("BENCH_ROWS", "").split(",") if name.strip()]
    known = {name for peer, mix in every for name in (peer, f"{peer}/{mix}")}
    for name in wanted:
        if name not in known:
            raise BenchError(f"BENCH_ROWS names '{name}'; there are: {', '.join(sorted(known))}")
    # Half of a rate needs the rate.
    wanted += [base(name) for name in wanted]
    return [
        (peer, mix) for peer, mix in every
        if not wanted or peer in wanted or f"{peer}/{mix}" in wanted
    ]
