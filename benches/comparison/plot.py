"""Dot plots as plain SVG: one line a cell of the matrix, one dot a proxy, on a logarithmic scale."""

import math
from statistics import median

from .tables import VARIANTS, each_cell, middle, names, ratios, size_words

COLOURS = {"nginx": "#2ca02c", "nginx-unbuffered": "#98df8a", "haproxy": "#1f77b4", "caddy": "#9467bd",
           "warpdrive": "#d62728", "warpdrive-profiled": "#ff9896"}
LEFT, TOP, WIDTH, STEP = 210, 60, 520, 24


def cpu(figures, setting):
    """CPU time a request beside nginx; the line through a dot is the spread of the rounds."""
    rows = []
    for size, connections, transport, block in each_cell(figures, setting):
        dots = {}
        for name in names(block, transport):
            if name != "nginx":
                own = ratios(block, f"{name} {transport}", f"nginx {transport}")
                dots[name] = (median(own), min(own), max(own))
        rows.append((f"{size_words(size)}, {connections:,}, {transport}", dots))
    title = f"CPU time a request beside nginx = 1, {setting}: answer, connections, upstream"
    return draw(title, rows, [0.125, 0.25, 0.5, 1, 2, 4, 8, 16], strong=1)


def memory(figures, setting):
    """Memory while busy, in MB."""
    rows = []
    for size, connections, transport, block in each_cell(figures, setting):
        dots = {}
        for name in (name for name in names(block, transport) if name not in VARIANTS):
            own = [one["busy_kib"] / 1024 for one in block[f"{name} {transport}"]["rounds"]]
            dots[name] = (middle(block, f"{name} {transport}", "busy_kib") / 1024, min(own), max(own))
        rows.append((f"{size_words(size)}, {connections:,}, {transport}", dots))
    title = f"memory while busy in MB, {setting}: answer, connections, upstream"
    return draw(title, rows, [4, 8, 16, 32, 64, 128, 256, 512])


def draw(title, rows, ticks, strong=None):
    low, high = math.log(ticks[0]), math.log(ticks[-1])
    bottom = TOP + STEP * len(rows)

    def across(value):
        return LEFT + WIDTH * (math.log(min(max(value, ticks[0]), ticks[-1])) - low) / (high - low)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 30} {bottom + 30}"',
           ' font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>', f'<text x="20" y="20">{title}</text>']
    shown = [name for name in COLOURS if any(name in dots for _, dots in rows)]
    for number, name in enumerate(shown):
        out.append(f'<circle cx="{25 + 140 * number}" cy="38" r="5" fill="{COLOURS[name]}"/>'
                   f'<text x="{34 + 140 * number}" y="42">{name}</text>')
    for tick in ticks:
        colour = "#333333" if tick == strong else "#dddddd"
        out.append(f'<path d="M{across(tick):.1f} {TOP}V{bottom}" stroke="{colour}"/>'
                   f'<text x="{across(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    for number, (label, dots) in enumerate(rows):
        y = TOP + STEP * number + STEP // 2
        out.append(f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{label}</text>')
        for name, (value, least, most) in dots.items():
            out.append(f'<path d="M{across(least):.1f} {y}H{across(most):.1f}" stroke="{COLOURS[name]}"/>'
                       f'<circle cx="{across(value):.1f}" cy="{y}" r="5" fill="{COLOURS[name]}"/>')
    return "\n".join(out) + "\n</svg>\n"
