"""Certificates of people: paths built and validated, recipients looked up among ten thousand, and what that weighs."""

import glob
import json
import time

import lab

STORED = 10_000
# Milliseconds that a look-up of so many addresses may take.
CHECKS = {1: None, 50: 5.0, 1000: None}


class People:
    """An authority and its people, made by the example program `people` of waferd."""

    def __init__(self, programs, folder):
        self.program, self.folder = f"{programs}/examples/people", f"{folder}/people"
        lab.run(self.program, "make", self.folder, str(STORED))

    def ours(self, seconds):
        """Paths per second, one thread."""
        return json.loads(lab.run(self.program, "judge", self.folder, str(seconds)))["rate"]

    def theirs(self):
        """The same by one `openssl verify` over a thousand certificates."""
        files = glob.glob(f"{self.folder}/people/*.pem")
        command = ["openssl", "verify", "-CAfile", f"{self.folder}/root.pem", "-untrusted", f"{self.folder}/middle.pem",
                   "-purpose", "smimesign"]
        start = time.perf_counter()
        said = lab.run(*command, *files)
        elapsed = time.perf_counter() - start
        if said.decode().count(": OK") != len(files):
            raise SystemExit(f"openssl verify: {said.decode()}")
        return len(files) / elapsed


def rows(bench, row, say, memory, rounds, seconds):
    """All rows. `row`, `say` and `memory` are the report's."""
    people = People(bench.programs, bench.world.folder)
    paths = {"wafer": [], "openssl": []}
    for _ in range(rounds):
        paths["wafer"].append(people.ours(seconds))
        paths["openssl"].append(people.theirs())
    mine, other = (sorted(some)[len(some) // 2] for some in paths.values())
    say("\nPaths built and validated per second, person - authority - root, P-256, one thread")
    row("", "wafer", "openssl verify", "wafer : openssl")
    row("signer to root", f"{mine:.0f}/s", f"{other:.0f}/s", f"{mine / other:.2f}x")

    say(f"\nRecipients, {STORED} certificates stored")
    waferd = bench.bus.waferd_pid()
    before, _ = memory(waferd)
    imported = bench.drive("import", f"{people.folder}/all.pem")
    if imported["count"] != STORED:
        raise SystemExit(f"bench: {imported['count']} certificates were imported")
    row("Import, one call", f"{imported['us'] / 1e6:.1f} s")
    for count, most in CHECKS.items():
        found = bench.drive("check", count, STORED, seconds)
        p50, p99 = found["p50_us"] / 1000, found["p99_us"] / 1000
        met = f"aim <= {most:.0f} ms: {'met' if p50 <= most else 'MISSED'}" if most else ""
        row(f"Check, {count} addresses", f"p50 {p50:.2f} ms", f"p99 {p99:.2f} ms", met)
    after, _ = memory(waferd)
    row("waferd with them", f"{after / 1024:.1f} MiB", f"{(after - before) / 1024:.1f} MiB more than without")
