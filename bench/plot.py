"""A log-log plot as SVG, with nothing but the standard library."""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 960, 560
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 210, 60
COLOURS = ("#1b6ca8", "#d1495b", "#2a9d5c", "#8c5fbf", "#c98a00", "#00868b", "#7a4b2a")
SIZES = {1 << 10: "1 KiB", 1 << 14: "16 KiB", 1 << 18: "256 KiB", 1 << 20: "1 MiB", 1 << 24: "16 MiB", 1 << 28: "256 MiB",
         1 << 30: "1 GiB"}
TIMES = {10: "10 µs", 100: "100 µs", 1e3: "1 ms", 1e4: "10 ms", 1e5: "100 ms", 1e6: "1 s", 1e7: "10 s"}


def log_log(lines, title):
    """`lines` has for each name its points: bytes and microseconds."""
    points = [point for line in lines.values() for point in line]
    x = _scale([size for size, _ in points], LEFT, WIDTH - RIGHT)
    y = _scale([time for _, time in points], HEIGHT - BOTTOM, TOP)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="#ffffff"/>',
             f'<text x="{LEFT}" y="28" font-size="16">{escape(title)}</text>']
    parts += [_rule(x(size), TOP, x(size), HEIGHT - BOTTOM) + _label(x(size), HEIGHT - BOTTOM + 18, name, "middle")
              for size, name in SIZES.items() if _inside(size, [size for size, _ in points])]
    parts += [_rule(LEFT, y(time), WIDTH - RIGHT, y(time)) + _label(LEFT - 6, y(time) + 4, name, "end")
              for time, name in TIMES.items() if _inside(time, [time for _, time in points])]
    for number, (name, line) in enumerate(lines.items()):
        colour, dash = COLOURS[number % len(COLOURS)], "" if number < len(COLOURS) else ' stroke-dasharray="5 4"'
        path = " ".join(f"{x(size):.1f},{y(time):.1f}" for size, time in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
        at = TOP + 12 + 20 * number
        parts.append(f'<line x1="{WIDTH - RIGHT + 20}" y1="{at - 4}" x2="{WIDTH - RIGHT + 50}" y2="{at - 4}" '
                     f'stroke="{colour}" stroke-width="1.8"{dash}/>' + _label(WIDTH - RIGHT + 56, at, name, "start"))
    return "\n".join(parts + ["</svg>", ""])


def _scale(values, start, end):
    low, high = math.log(min(values)), math.log(max(values))
    return lambda value: start + (math.log(value) - low) / (high - low) * (end - start)


def _inside(value, values):
    return min(values) <= value <= max(values)


def _rule(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _label(x, y, text, anchor):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333333">{escape(text)}</text>'
