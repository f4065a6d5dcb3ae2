"""One block of the matrix: a setting, a size and a number of connections, for every proxy over TCP and Unix sockets."""

import os
import re
import subprocess
import sys
import time

from . import peers, sameness, tables, traffic
from .processes import cpu_seconds, free_port, peak_kib, present_kib, wait_for
from .recorder import Recorder

TRIES = 3
# Where the answers under way are this many bytes in all, a run lasts longer: filling the buffers must not be most of it.
MUCH, LONGER = 500_000_000, 2.5
# How a log is written, and how code is laid out, weighs most beside a small answer; it is measured there alone.
SMALL = 1_024


class Proxy:
    """A running proxy, by whom it is, what it reaches its upstream by, and where it listens."""

    def __init__(self, name, transport, folder):
        self.name, self.transport, self.folder = name, transport, folder
        self.port = free_port()
        self.process = None
        self.sent = 0
        self.unfinished = 0

    @property
    def label(self):
        return f"{self.name} {self.transport}"

    def start(self, started, setting, target, programs):
        os.makedirs(self.folder)
        base = peers.base(self.name)
        config = f"{self.folder}/{peers.FILES[base]}"
        with open(config, "w") as file:
            file.write(peers.WRITERS[base](self.name, setting, self.folder, self.port, target))
        command = peers.command(self.name, config, programs.get(self.name))
        env = dict(os.environ, GOMAXPROCS="1", HOME=self.folder, XDG_DATA_HOME=self.folder, XDG_CONFIG_HOME=self.folder)
        with open(f"{self.folder}/access.log", "ab") as log, open(f"{self.folder}/stderr", "wb") as errors:
            stdout = log if setting == "as-run" and base in peers.LOG_ON_STDOUT else subprocess.DEVNULL
            self.process = started.start(command, stdout, errors, env)
        try:
            wait_for(self.port, self.process)
        except SystemExit:
            with open(f"{self.folder}/stderr") as errors:
                sys.stderr.write(errors.read())
            raise

    def check_log(self):
        """After the end of the process: a line for every request, none of them lost."""
        with open(f"{self.folder}/access.log", "rb") as log:
            lines = sum(1 for _ in log)
        if not self.sent <= lines <= self.sent + self.unfinished:
            sys.exit(f"{self.label} logged {lines} lines for {self.sent} requests "
                     f"and at most {self.unfinished} unfinished ones")
        return lines


def measure(started, folder, options, setting, size, connections):
    """The figures of a block by proxy and transport: `rounds` and what was counted at the end."""
    os.makedirs(f"{folder}/up/www")
    with open(f"{folder}/up/www/body", "w") as body:
        body.write("x" * size)
    upstream, path = free_port(), f"{folder}/up/app.sock"
    left_out = set() if size <= SMALL else tables.VARIANTS
    if setting == "bare":  # Without a log, it is nginx itself.
        left_out = left_out | {"nginx-unbuffered"}
    names = [name for name in options.peers if name not in left_out]
    proxies = [Proxy(name, transport, f"{folder}/{name}-{transport}") for transport in options.transports for name in names]
    for proxy in proxies:
        proxy.start(started, setting, path if proxy.transport == "unix" else upstream, options.programs)
    ports = {proxy.label: proxy.port for proxy in proxies}

    recorder = Recorder(upstream, path, size)
    asked = sameness.check(setting, ports, recorder)
    recorder.close()
    with open(f"{folder}/up/nginx.conf", "w") as file:
        file.write(peers.upstream_nginx(f"{folder}/up", upstream, path))
    server = started.start(["nginx", "-c", f"{folder}/up/nginx.conf"])
    wait_for(upstream, server)
    asked += sameness.check_upstream(setting, ports, size)
    with open(f"{folder}/load.lua", "w") as file:
        file.write(traffic.script(setting))

    rounds = {proxy.label: [] for proxy in proxies}
    length = int(options.seconds * LONGER) if size * connections >= MUCH else options.seconds
    for turn in range(options.rounds + 1):
        for proxy in proxies:
            if turn:
                figures = _run_without_errors(proxy, f"{folder}/load.lua", size, connections, length)
                rounds[proxy.label].append(figures)
            else:  # Only warms up.
                _run(proxy, f"{folder}/load.lua", size, connections, length // 2)
    found = {proxy.label: {"rounds": rounds[proxy.label], "peak_kib": peak_kib(proxy.process.pid)} for proxy in proxies}
    started.stop([proxy.process for proxy in proxies] + [server])
    for proxy in proxies:
        proxy.sent += asked
        if setting == "as-run":
            found[proxy.label]["log_lines"] = proxy.check_log()
    return found


def _run_without_errors(proxy, script, size, connections, seconds):
    """Errors are cheaper than answers, so a run that met some counts for nothing but is told of."""
    failures = 0
    for _ in range(TRIES):
        figures, errors, out = _run(proxy, script, size, connections, seconds)
        if figures and not errors:
            return dict(figures, failed_requests=failures)
        print(f"{proxy.label}: {errors} errors, or no answer, in {seconds} s; once more", file=sys.stderr, flush=True)
        if not figures:  # All answers were still under way at the end.
            seconds *= 2
        failures += errors
    sys.exit(f"{proxy.label} met errors, or gave no answer, in {TRIES} runs:\n{out}")


def _run(proxy, script, size, connections, seconds):
    pid = proxy.process.pid
    before = cpu_seconds(pid)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script]
    command.append(f"http://127.0.0.1:{proxy.port}")
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(0.7 * seconds)
    memory = present_kib(pid)
    out = client.communicate()[0]
    cpu = cpu_seconds(pid) - before
    line = re.search(r"figures (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", out)
    if client.returncode or not line:
        sys.exit(f"{proxy.label}: wrk failed:\n{out}")
    requests, received, micros, errors, median, p99 = (int(word) for word in line.groups())
    proxy.sent += requests
    proxy.unfinished += connections + errors
    if not requests:
        return None, errors, out
    # Large answers that the end of the run cuts off were work too, so bytes count them, not requests.
    done = received / size if size >= 65_536 else requests
    figures = {
        "cpu_us": cpu / done * 1e6,
        "per_second": done / micros * 1e6,
        "p50_us": median,
        "p99_us": p99,
        "busy_kib": memory,
    }
    return figures, errors, out
