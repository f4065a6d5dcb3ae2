"""The check before any measuring: every proxy must do the same work and give the same answer."""

import http.client
import re
import sys

from . import traffic

# What each proxy makes by itself, and what such a value looks like.
MADE = {"x-request-id": re.compile(r"[A-Za-z0-9._-]{16,128}"), "x-request-start": re.compile(r"t=\d{10}\.?\d{3}")}


def _ask(port, path, fields):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in fields.items():
        client.putheader(name, value)
    client.endheaders()
    response = client.getresponse()
    body = response.read()
    client.close()
    return response.status, len(body), response.getheader("Content-Type")


def _seen(head, port):
    """What the upstream was sent, without what is each proxy's own: its port, ids, times, its connection's fields."""
    line, fields = head
    kept = {name: value for name, value in fields.items() if name not in ("connection", "keep-alive", "te")}
    for name, form in MADE.items():
        if form.fullmatch(kept.get(name, "")):
            kept[name] = f"a good {name}"
    # The port that the client named (80, as the Host of these requests has none), or where it connected.
    if kept.get("x-forwarded-port") in (str(port), "80"):
        kept["x-forwarded-port"] = "the port"
    return line, kept


def check(setting, ports, recorder):
    """Sends every request of the setting through every proxy; ends the run at the first difference.

    `ports` has the port of each proxy by its name. Returns how many requests each was sent.
    """
    asked = traffic.requests(setting)
    for number, (path, fields) in enumerate(asked):
        first = None
        for name, port in ports.items():
            recorder.heads.clear()
            answer = _ask(port, path, fields)
            if answer != (200, recorder.size, "text/html"):
                sys.exit(f"{name} answered `{path}` of {fields['Host']} with {answer}")
            if len(recorder.heads) != 1:
                sys.exit(f"{name} sent `{path}` {len(recorder.heads)} times")
            seen = _seen(recorder.heads[0], port)
            if first is None:
                first = (name, seen)
            elif seen != first[1]:
                sys.exit(f"request {number}: the upstream got\n {seen}\nfrom {name}, and from {first[0]}\n {first[1]}")
    for path, fields in traffic.unrouted(setting):
        for name, port in ports.items():
            status = _ask(port, path, fields)[0]
            if status != 404:
                sys.exit(f"{name} answered `{path}` of {fields['Host']}, which no route takes, with {status}")
    return len(asked) + len(traffic.unrouted(setting))


def check_upstream(setting, ports, size):
    """One request through every proxy to the upstream that will be measured."""
    path, fields = traffic.requests(setting)[-1]
    for name, port in ports.items():
        answer = _ask(port, path, fields)
        if answer != (200, size, "text/html"):
            sys.exit(f"{name} answered `{path}` from the real upstream with {answer}")
    return 1
