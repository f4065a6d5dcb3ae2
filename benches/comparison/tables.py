"""The figures as Markdown tables, and the aims that they miss."""

from statistics import median

NAMES = ["nginx", "nginx-unbuffered", "haproxy", "caddy", "warpdrive", "warpdrive-profiled"]
# The same program with another log or layout of its code; CPU time alone is told of them.
VARIANTS = {"nginx-unbuffered", "warpdrive-profiled"}
# CPU time a request beside nginx; large bodies are held to less, since nginx copies them more than once.
AIM = 1.0
LARGE_BODY, LARGE_BODY_AIM = 1_048_576, 0.5
# Memory with this many busy connections beside haproxy.
MANY, MEMORY_AIM = 1_000, 1.5
STREAM_AIM_MB = 32
BUSY_LOAD = 0.5


def size_words(size):
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} B"


def blocks(figures, setting=None):
    """(setting, size, connections, figures by "proxy transport"), in the order of the settings' sizes."""
    found = []
    for key, block in figures["blocks"].items():
        of, size, connections = key.split("/")
        if setting in (None, of):
            found.append((of, int(size), int(connections), block))
    return sorted(found, key=lambda one: one[:3])


def names(block, transport="tcp"):
    return [name for name in NAMES if f"{name} {transport}" in block]


def transports(block):
    return [transport for transport in ("tcp", "unix") if f"nginx {transport}" in block]


def middle(block, label, figure):
    return median(one[figure] for one in block[label]["rounds"])


def ratios(block, label, other, figure="cpu_us"):
    """A figure beside that of another proxy in the same round, for each round."""
    return [a[figure] / b[figure] for a, b in zip(block[label]["rounds"], block[other]["rounds"])]


def row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(head, rows):
    return "\n".join([row(head), "|" + "---|" * len(head)] + [row(cells) for cells in rows])


def each_cell(figures, setting):
    for _, size, connections, block in blocks(figures, setting):
        for transport in transports(block):
            yield size, connections, transport, block


def place(size, connections, transport):
    return [size_words(size), f"{connections:,}", transport]


def present(figures, setting):
    """The proxies that took part in a setting."""
    there = set()
    for _, _, transport, block in each_cell(figures, setting):
        there.update(names(block, transport))
    return [name for name in NAMES if name in there]


def cpu(figures, setting):
    others = [name for name in present(figures, setting) if name != "nginx"]
    rows = []
    for size, connections, transport, block in each_cell(figures, setting):
        cells = place(size, connections, transport) + [f"{middle(block, f'nginx {transport}', 'cpu_us'):,.1f} µs"]
        for name in others:
            label = f"{name} {transport}"
            if label not in block:
                cells.append("")
                continue
            own = ratios(block, label, f"nginx {transport}")
            cells.append(f"{median(own):.2f}" + (f" ({min(own):.2f}–{max(own):.2f})" if name.startswith("warpdrive") else ""))
        rows.append(cells)
    return table(["answer", "connections", "upstream", "nginx", *others], rows)


def latency(figures, setting):
    def words(block, label):
        return f"{middle(block, label, 'p50_us') / 1e3:,.1f} / {middle(block, label, 'p99_us') / 1e3:,.1f}"

    return by_proxy(figures, setting, words)


def memory(figures, setting):
    def words(block, label):
        return f"{middle(block, label, 'busy_kib') / 1024:.1f} / {block[label]['peak_kib'] / 1024:.1f}"

    return by_proxy(figures, setting, words)


def by_proxy(figures, setting, words):
    everyone = [name for name in present(figures, setting) if name not in VARIANTS]
    rows = []
    for size, connections, transport, block in each_cell(figures, setting):
        labels = [f"{name} {transport}" for name in everyone]
        rows.append(place(size, connections, transport)
                    + [words(block, label) if label in block else "" for label in labels])
    return table(["answer", "connections", "upstream", *everyone], rows)


def unix(figures):
    """A Unix-socket upstream beside a TCP one, same proxy, same round: CPU time, and requests a second."""
    everyone = [name for name in NAMES if name not in VARIANTS]
    rows = []
    for setting, size, connections, block in blocks(figures):
        if len(transports(block)) < 2:
            continue
        cells = [setting, size_words(size), f"{connections:,}"]
        for name in everyone:
            pair = (f"{name} unix", f"{name} tcp")
            both = [f"{median(ratios(block, *pair, figure)):.2f}" for figure in ("cpu_us", "per_second") if pair[0] in block]
            cells.append(" / ".join(both))
        rows.append(cells)
    return table(["setting", "answer", "connections", *everyone], rows)


def stream(figures):
    found = figures["stream"]
    rows = []
    for direction, words in (("down", "to the client"), ("up", "from the client")):
        mine = {name: found[f"{name} {direction}"] for name in NAMES if f"{name} {direction}" in found}
        rows.append([words] + [f"{one['peak_kib'] / 1024:.1f} MB, {one['cpu_seconds']:.2f} s" for one in mine.values()])
    return table(["direction", *(name for name in NAMES if f"{name} down" in found)], rows)


def missed(figures):
    """Every aim that a figure misses, as a list in Markdown."""
    lines = []
    for setting, size, connections, block in blocks(figures):
        for transport in transports(block):
            label = f"warpdrive {transport}"
            if label not in block:
                continue
            where = f"{setting}, {size_words(size)}, {connections:,} connections, {transport}"
            aim = LARGE_BODY_AIM if size >= LARGE_BODY else AIM
            seen = median(ratios(block, label, f"nginx {transport}"))
            if round(seen, 2) > aim:
                guided = f"warpdrive-profiled {transport}"
                by_profile = f"; {median(ratios(block, guided, f'nginx {transport}')):.2f} profiled" if guided in block else ""
                lines.append(f"- {where}: {seen:.2f} of nginx's CPU time, the aim is {aim}{by_profile}")
            if connections >= MANY and f"haproxy {transport}" in block:
                seen = median(ratios(block, label, f"haproxy {transport}", "busy_kib"))
                if round(seen, 2) > MEMORY_AIM:
                    lines.append(f"- {where}: {seen:.2f} of haproxy's memory, the aim is {MEMORY_AIM}")
    for direction in ("down", "up"):
        one = figures.get("stream", {}).get(f"warpdrive {direction}")
        if one and one["peak_kib"] / 1024 >= STREAM_AIM_MB:
            lines.append(f"- a long body, {direction}: {one['peak_kib'] / 1024:.1f} MB, the aim is under {STREAM_AIM_MB} MB")
    return "\n".join(lines) or "None."


def failures(figures):
    """Who answered with errors or cut connections, which made a run count for nothing."""
    lines = []
    for setting, size, connections, block in blocks(figures):
        for label, found in block.items():
            count = sum(one.get("failed_requests", 0) for one in found["rounds"])
            if count:
                lines.append(f"- {setting}, {size_words(size)}, {connections:,} connections: {label}, {count:,} requests")
    return "\n".join(lines) or "None."


def machine(figures):
    one = figures["machine"]
    counts = sorted({len(found["rounds"]) for _, _, _, block in blocks(figures) for found in block.values()})
    busy = " The machine was busy with other work, so that these figures are rough." if one["load"] > BUSY_LOAD else ""
    # Older files do not say it.
    congestion = f", TCP with {one['congestion']}" if "congestion" in one else ""
    # It sets a timer for each burst, in the time of whoever caused it.
    paced = (" BBR paces TCP here: much of the time is that of its timers, not the proxies'."
             if one.get("congestion") == "bbr" else "")
    return (f"Taken on {one['date']}: {one['processor']}, Linux {one['kernel']}{congestion}, load {one['load']} "
            f"before the run.{busy}{paced}\n"
            f"Debian's nginx {one['nginx']}, haproxy {one['haproxy']}, caddy {one['caddy']}, wrk {one['wrk']}. "
            f"{' or '.join(map(str, counts))} rounds of {figures['seconds']} s for each proxy and cell, longer where 1,000 "
            "connections wait for 1 MiB.")


def every(figures):
    """Each table by its name, which is also the name of its place in docs/performance.md."""
    found = {"machine": machine(figures)}
    for setting in ("as-run", "bare"):
        if blocks(figures, setting):
            for name, make in (("cpu", cpu), ("latency", latency), ("memory", memory)):
                found[f"{setting}-{name}"] = make(figures, setting)
    if any(len(transports(block)) > 1 for _, _, _, block in blocks(figures)):
        found["unix"] = unix(figures)
    if "stream" in figures:
        found["stream"] = stream(figures)
    found["failures"] = failures(figures)
    found["missed"] = missed(figures)
    return found
