"""Puts the tables into docs/performance.md, between their markers, and the plots beside it."""

import re
import sys

from . import plot, tables


def publish(figures, root):
    page = f"{root}/docs/performance.md"
    with open(page) as file:
        text = file.read()
    for name, table in tables.every(figures).items():
        text = _replaced(text, name, table)
    with open(page, "w") as file:
        file.write(text)
    for setting in ("bare", "as-run"):
        if tables.blocks(figures, setting):
            _write(f"{root}/docs/cpu-{setting}.svg", plot.cpu(figures, setting))
            _write(f"{root}/docs/memory-{setting}.svg", plot.memory(figures, setting))


def _replaced(text, name, table):
    begin, end = f"<!-- figures: {name} -->\n", "\n<!-- end -->"
    if begin not in text:
        sys.exit(f"docs/performance.md has no place `{begin.strip()}`")
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: begin + table + end, text, flags=re.DOTALL)


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)
