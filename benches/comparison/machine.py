"""What the figures were taken on."""

import os
import platform
import re
import subprocess
import time


def describe(program):
    """Date, processor, kernel, load before the run, and the version of each program."""
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*:\s*(.+)", info.read())
    version = lambda command, pattern: re.search(pattern, _said(command)).group(1)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{os.cpu_count()} cores, {model.group(1) if model else platform.machine()}",
        "kernel": re.match(r"[\d.]+\d", platform.release()).group(0),
        "congestion": congestion(),
        "load": round(os.getloadavg()[0], 1),
        "nginx": version(["nginx", "-v"], r"nginx/([\d.]+)"),
        "haproxy": version(["haproxy", "-v"], r"version ([\d.]+)"),
        "caddy": version(["caddy", "version"], r"v?([\d.]+)"),
        "wrk": version(["wrk", "-v"], r"([\d]+\.[\d.]+)"),
        "warpdrive": version([program, "--version"], r"([\d.]+)"),
    }


def congestion():
    """How TCP finds its speed; also between two ends on one machine."""
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as name:
        return name.read().strip()


def _said(command):
    try:
        run = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return "version 0.0 nginx/0.0"
    return run.stdout + run.stderr
