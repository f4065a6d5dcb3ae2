"""One long body in each direction through every proxy: how much memory it takes at most."""

import os
import subprocess
import sys

from .block import Proxy
from .processes import cpu_seconds, free_port, peak_kib
from .recorder import Recorder
from .tables import VARIANTS
from .traffic import requests

SETTING = "as-run"


def measure(started, folder, options):
    """Peak memory and CPU time by proxy and direction. Each direction has a process of its own."""
    os.makedirs(folder)
    upstream, path, size = free_port(), f"{folder}/app.sock", options.stream_bytes
    recorder = Recorder(upstream, path, size)
    found = {}
    with open(f"{folder}/zeros", "wb") as file:
        file.truncate(size)
    for name in (name for name in options.peers if name not in VARIANTS):
        for direction in ("down", "up"):
            proxy = Proxy(name, direction, f"{folder}/{name}-{direction}")
            proxy.start(started, SETTING, upstream, options.programs)
            pid = proxy.process.pid
            before, recorder.received = cpu_seconds(pid), 0
            moved = _curl(proxy, f"{folder}/zeros" if direction == "up" else None, recorder)
            if moved != size:
                sys.exit(f"{proxy.label}: {moved} of {size} bytes came through")
            found[proxy.label] = {"peak_kib": peak_kib(pid), "cpu_seconds": cpu_seconds(pid) - before}
            started.stop([proxy.process])
    recorder.close()
    return found


def _curl(proxy, upload, recorder):
    path, fields = requests(SETTING)[0]
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "300", "--output", os.devnull,
               "--write-out", "%{size_download}", "--header", f"Host: {fields['Host']}", "--header", "Expect:"]
    if upload:
        command += ["--upload-file", upload]
    run = subprocess.run(command + [f"http://127.0.0.1:{proxy.port}{path}"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{proxy.label}: curl said {run.stderr}")
    return recorder.received if upload else int(run.stdout)
