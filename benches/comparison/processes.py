"""Processes that this comparison starts, and what the kernel counts of them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")


class Started:
    """Every process that was started here; leaving the block ends them all and waits for that."""

    def __init__(self):
        self.processes = []

    def __enter__(self):
        return self

    def start(self, command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=None):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=env)
        self.processes.append(process)
        return process

    def stop(self, processes):
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = [one for one in self.processes if one not in processes]

    def __exit__(self, *_):
        self.stop(list(self.processes))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    """Returns when something accepts connections on `port`; ends the run if `process` ended instead."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"`{' '.join(process.args)}` ended at once with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"`{' '.join(process.args)}` does not listen on port {port}")


def family(pid):
    """A process and all its descendants."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children") as listing:
                found += [int(word) for word in listing.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # A thread may end at any time, and its children become another one's.
    return [pid] + [deeper for child in found for deeper in family(child)]


def cpu_seconds(pid):
    """User and system time of a process, its threads and its descendants, to one tick (10 ms)."""
    total = 0
    for one in family(pid):
        with open(f"/proc/{one}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def peak_kib(pid):
    """The sum of the peaks of resident memory; pages that processes share count once for each."""
    return _sum(pid, "status", r"VmHWM:\s+(\d+)")


def present_kib(pid):
    """Resident memory at this moment, where a page that two processes share counts half for each."""
    return _sum(pid, "smaps_rollup", r"\nPss:\s+(\d+)")


def _sum(pid, file, pattern):
    total = 0
    for one in family(pid):
        with open(f"/proc/{one}/{file}") as text:
            total += int(re.search(pattern, text.read()).group(1))
    return total
