"""How each proxy is configured: `bare` is one route without a log, `as-run` is how people run it.

In `as-run` every proxy has a hundred routes (ten hosts of ten prefixes each), one upstream a host, a log in a file
with the same content, timeouts, and sends the upstream the same fields. All keep as many idle upstream connections as
WarpDrive does, and have one worker.
"""

from .traffic import HOSTS, PREFIXES

IDLE = 512
# nginx gathers as much, for as long, as WarpDrive does before it writes.
NGINX_LOG = {"nginx": "buffer=64k flush=100ms", "nginx-unbuffered": ""}
NGINX_FORMAT = """
log_format full '$time_iso8601 $remote_addr $request_method "$request_uri" $server_protocol $status $body_bytes_sent '
'$content_length $request_length $bytes_sent $request_time $upstream_connect_time $upstream_header_time $proxy_host '
'$upstream_addr $request_id';
"""
NGINX_FIELDS = """
proxy_set_header X-Real-IP $remote_addr;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Host $http_host;
proxy_set_header X-Forwarded-Port $server_port;
proxy_set_header X-Request-Id $request_id;
proxy_set_header X-Request-Start "t=${msec}";
"""
HAPROXY_LOG = ('log-format "%Tl %ci %HM %[capture.req.uri,json] %HV %ST %B %U %Ta %Tc %Tr %b %s %si:%sp %ts %ID"')
HAPROXY_FIELDS = """
 option forwardfor
 unique-id-format %[uuid()]
 unique-id-header X-Request-Id
 http-request set-header X-Real-IP %[src]
 http-request set-header X-Forwarded-Proto http
 http-request set-header X-Forwarded-Host %[req.hdr(host)]
 http-request set-header X-Forwarded-Port %[dst_port]
 http-request set-header X-Request-Start t=%[date(0,ms)]
"""
# Caddy sends three fields unless told not to, and has no name for the port where a request came in.
CADDY_FIELDS = {
    "bare": """  header_up -X-Forwarded-For
  header_up -X-Forwarded-Proto
  header_up -X-Forwarded-Host
""",
    "as-run": """  header_up X-Real-IP {remote_host}
  header_up X-Request-Id {http.request.uuid}
  header_up X-Forwarded-Port LISTEN
  header_up X-Request-Start t={time.now.unix_ms}
""",
}
CADDY_TRANSPORT = f"""  transport http {{
   compression off
   dial_timeout 5s
   response_header_timeout 60s
   keepalive_idle_conns_per_host {IDLE}
  }}
"""


def upstream_nginx(folder, port, socket):
    """nginx as the upstream of all: it answers every path with the file `body`."""
    return f"""daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 16384; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; open_file_cache max=10; default_type text/html;
server {{ listen 127.0.0.1:{port} backlog=4096; listen unix:{socket} backlog=4096; root {folder}/www;
location / {{ try_files /body =500; }} }} }}
"""


def nginx(name, setting, folder, listen, target):
    target = f"unix:{target}" if isinstance(target, str) else f"127.0.0.1:{target}"
    as_run = setting == "as-run"
    hosts = HOSTS if as_run else ["app"]
    text = f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{ keepalive_requests 1000000000; proxy_http_version 1.1;
proxy_set_header Connection ''; proxy_set_header Host $http_host;
"""
    if as_run:
        text += NGINX_FORMAT + NGINX_FIELDS
        text += f"client_max_body_size 0; access_log {folder}/access.log full {NGINX_LOG[name]};\n"
    else:
        text += "access_log off;\n"
    for number, _ in enumerate(hosts):
        text += f"upstream u{number} {{ server {target}; keepalive {IDLE}; keepalive_requests 1000000000; }}\n"
    if not as_run:
        return text + f"server {{ listen 127.0.0.1:{listen} backlog=4096; location / {{ proxy_pass http://u0; }} }} }}\n"
    text += f"server {{ listen 127.0.0.1:{listen} backlog=4096 default_server; return 404; }}\n"
    for number, host in enumerate(hosts):
        text += f"server {{ listen 127.0.0.1:{listen}; server_name {host};\n"
        for prefix in PREFIXES:
            text += f" location {prefix}/ {{ proxy_pass http://u{number}; }}\n"
        text += " location / { return 404; }\n}\n"
    return text + "}\n"


def haproxy(_, setting, folder, listen, target):
    target = f"unix@{target}" if isinstance(target, str) else f"127.0.0.1:{target}"
    as_run = setting == "as-run"
    text = f"""global
 nbthread 1
 maxconn 8192
{" log stdout format raw local0" if as_run else ""}
defaults
 mode http
 timeout client 60s
 timeout server 60s
 timeout connect 5s
 timeout http-request 30s
 timeout http-keep-alive 75s
 timeout queue 5s
 http-reuse always
 option dontlognull
frontend f
 bind 127.0.0.1:{listen} backlog 4096
"""
    server = f" server s {target} pool-max-conn {IDLE}\n"
    if not as_run:
        return text + " default_backend b\nbackend b\n" + server
    text += " log global\n " + HAPROXY_LOG + HAPROXY_FIELDS
    for number, host in enumerate(HOSTS):
        text += f" acl host{number} hdr(host) -i {host}\n"
    for number, prefix in enumerate(PREFIXES):
        text += f" acl path{number} path_beg {prefix}/\n"
    for host, _ in enumerate(HOSTS):
        for path, _ in enumerate(PREFIXES):
            text += f" use_backend b{host} if host{host} path{path}\n"
    text += " default_backend none\nbackend none\n http-request return status 404\n"
    return text + "".join(f"backend b{number}\n{server}" for number, _ in enumerate(HOSTS))


def caddy(_, setting, folder, listen, target):
    target = f"unix/{target}" if isinstance(target, str) else f"127.0.0.1:{target}"
    text = """{
 admin off
 auto_https off
 log default {
  output discard
  exclude http.log.access
 }
 servers {
  timeouts {
   read_header 30s
   read_body 60s
   write 60s
   idle 75s
  }
 }
}
"""
    proxy = f"reverse_proxy {target} {{\n{CADDY_FIELDS[setting]}{CADDY_TRANSPORT} }}"
    if setting == "bare":
        return text + f"http://:{listen} {{\n bind 127.0.0.1\n {proxy}\n}}\n"
    proxy = proxy.replace("LISTEN", str(listen))
    text += f"(log) {{\n log {{\n  output file {folder}/access.log {{\n   roll_disabled\n  }}\n }}\n}}\n"
    text += f"(app) {{\n {proxy}\n}}\n"
    for host in HOSTS:
        text += f"http://{host}:{listen} {{\n bind 127.0.0.1\n import log\n"
        for prefix in PREFIXES:
            text += f" handle {prefix}/* {{\n  import app\n }}\n"
        text += " handle {\n  respond 404\n }\n}\n"
    return text + f"http://:{listen} {{\n bind 127.0.0.1\n import log\n respond 404\n}}\n"


def warpdrive(_, setting, folder, listen, target):
    place = f'socket = "{target}"' if isinstance(target, str) else f'host = "127.0.0.1"\nport = {target}'
    as_run = "true" if setting == "as-run" else "false"
    text = f'[server]\nbind = ["127.0.0.1"]\nhttp_port = {listen}\nworker_threads = 1\n'
    text += f"[middleware]\nlog_requests = {as_run}\nforward_headers = {as_run}\n"
    if setting == "bare":
        return text + f"[upstreams.app]\n{place}\n"
    for number, host in enumerate(HOSTS):
        text += f"[upstreams.app{number}]\n{place}\n"
        for prefix in PREFIXES:
            text += f'[[routes]]\nhost = "{host}"\npath_prefix = "{prefix}"\nupstream = "app{number}"\n'
    return text


WRITERS = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy, "warpdrive": warpdrive}
FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile", "warpdrive": "warpdrive.toml"}
# These have no key for a log file: they write to the standard output, which is the file.
LOG_ON_STDOUT = {"haproxy", "warpdrive"}


def base(name):
    """The proxy that a variant such as `nginx-unbuffered` is one of."""
    return name.partition("-")[0]


def command(name, config, program):
    """What starts the proxy in the foreground."""
    return {
        "nginx": ["nginx", "-c", config],
        "haproxy": ["haproxy", "-db", "-f", config],
        "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", config],
        "warpdrive": [program, "serve", "--config", config],
    }[base(name)]
