"""A simulated PIV card behind a real pcscd: how soon the bus tells of it, and how many commands a signature costs."""

import json
import os
import statistics

import lab

# Milliseconds after a raw PC/SC client by which a D-Bus client knows that the card came or went.
LATER = 50
# Insertions and removals in each round.
TIMES = 5


def rows(programs, row, say, verdict, rounds):
    """All rows. `row`, `say` and `verdict` are the report's. The card's own program is a debug build: it holds no clock."""
    card = f"{programs}/../debug/examples/card"
    env = dict(os.environ, WAFER_BIN_DIR=programs)
    measure = lambda *words: json.loads(lab.run(card, *map(str, words), env=env))
    seen = measure("hotplug", TIMES * rounds)
    say("\nA PIV card comes and goes: a D-Bus client after a raw PC/SC client that waits for the same")
    for what, key, aim in (("removed: absent on the bus", "removed_us", LATER), ("inserted: present on the bus", "inserted_us", LATER),
                           ("inserted: its identities listed", "listed_us", None)):
        times = [microseconds / 1000 for microseconds in seen[key]]
        middle, most = statistics.median(times), max(times)
        row(what, f"{middle:.1f} ms", f"at most {most:.1f} ms", verdict(middle <= aim, f"<= {aim} ms") if aim else "")
    commands = measure("commands")
    say("\nAPDUs of one signature on it, RSA-2048, PIN cached, the one that shuts the card included")
    row("extended length", f"{commands['extended']}", "SELECT, tries, PIN, operation, shut")
    row("short length", f"{commands['short']}", "the operation and its answer in two parts")
