"""The message engine by itself: its time beside the primitives' floor, small mail, and how cost grows with size."""

import json
import subprocess

import plot

# What a caller sees as one operation, and the engine's case that does it.
CASE = {"sign": "sign clear mail", "verify": "verify clear mail", "encrypt-cbc": "encrypt CBC mail",
        "encrypt-gcm": "encrypt GCM mail", "decrypt-cbc": "decrypt CBC mail", "decrypt-gcm": "decrypt GCM mail"}
FLOOR_AIM = 1.5
SMALL_AIM_US = 100


class Engine:
    """The example program `throughput` of wafer-smime."""

    def __init__(self, programs):
        self.program = f"{programs}/examples/throughput"

    def rates(self, mib, rounds):
        """Seconds and the floor's seconds of each case over `mib` MiB."""
        found = self._run("rates", mib, rounds)
        return {one["case"]: (one["us"] / 1e6, one["floor_us"] / 1e6) for one in found}

    def small(self):
        return self._run("small")[0]

    def scaling(self, largest, picture):
        """Draws cost over size; the answer is each case's cost per byte at 1 MiB and at the largest size."""
        points = {}
        for one in self._run("scaling", largest):
            points.setdefault(one["case"], []).append((one["bytes"], one["us"]))
        with open(picture, "w", encoding="utf-8") as file:
            file.write(plot.log_log(points, "Cost over size: CPU time of the engine, one thread"))
        return {case: (dict(line)[1 << 20] / (1 << 20), line[-1][1] / line[-1][0]) for case, line in points.items()}

    def _run(self, *arguments):
        said = subprocess.run([self.program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout
        return [json.loads(line) for line in said.splitlines()]
