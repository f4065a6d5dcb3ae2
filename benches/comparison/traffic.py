"""The requests of each setting, as one table that clients, checks and configurations share."""

HOSTS = [f"app{number}.example.test" for number in range(10)]
PREFIXES = ["/account", "/admin", "/api", "/assets", "/cable", "/cart", "/images", "/login", "/orders", "/search"]

# What a browser sends beside `Host`.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Cookie": "_session=Zm9yIG1lYXN1cmluZyBvbmx5OyBub2JvZHkgaXMgbG9nZ2VkIGlu; theme=dark",
}


def requests(setting):
    """(path, header fields) of each request; a client sends them in turn."""
    if setting == "bare":
        # The client brings the request id, so that WarpDrive has no more to do than its peers.
        return [("/page", {"Host": "app.example.test", "X-Request-Id": "comparison"})]
    return [(f"{prefix}/items/17?page=2", {"Host": host, **BROWSER}) for prefix in PREFIXES for host in HOSTS]


def unrouted(setting):
    """Requests that no route takes: every peer must answer 404."""
    if setting == "bare":
        return []
    return [("/nowhere", {"Host": HOSTS[3], **BROWSER}), (PREFIXES[4] + "/1", {"Host": "other.example.test", **BROWSER})]


def script(setting):
    """A wrk script that sends the requests in turn and prints one line of figures at its end."""
    lines = ["local formatted, turn = {}, 0", "function init()"]
    for path, fields in requests(setting):
        pairs = ", ".join(f'["{name}"] = "{value}"' for name, value in fields.items())
        lines.append(f'  formatted[#formatted + 1] = wrk.format("GET", "{path}", {{ {pairs} }})')
    lines += [
        "end",
        "function request()",
        "  turn = turn % #formatted + 1",
        "  return formatted[turn]",
        "end",
        "function done(summary, latency)",
        "  local errors = summary.errors",
        '  print(string.format("figures %d %d %d %d %d %d", summary.requests, summary.bytes, summary.duration,',
        "    errors.connect + errors.read + errors.write + errors.timeout + errors.status,",
        "    latency:percentile(50), latency:percentile(99)))",
        "end",
    ]
    return "\n".join(lines) + "\n"
