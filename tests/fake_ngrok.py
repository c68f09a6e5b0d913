"""Stands in for ngrok's agent: its log lines, its local API, and a "public" address that really leads to the page.

The token says how it behaves: one with `refused` is turned down, one with `taken` gets no address. What it was started
with is written to the file that FAKE_AGENT_RECORD names.
"""

import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loopback import Proxy

REFUSAL = (
    r"authentication failed: The authtoken you specified is properly formed, but it is invalid.\n"
    r"Your authtoken: {token}\n\nERR_NGROK_107\r\n"
)
TAKEN = "failed to start listener: The endpoint is already online. ERR_NGROK_334"
endpoints = {}


def log(level, message, **values):
    pairs = "".join(f' {name}="{value}"' for name, value in values.items())
    print(f't=2026-01-01T00:00:00+0000 lvl={level} msg="{message}"{pairs}', flush=True)


class Api(BaseHTTPRequestHandler):
    token = ""

    def do_GET(self):
        described = [self.describe(name) for name in endpoints]
        self.answer(200, {"endpoints": described, "tunnels": described})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "taken" in self.token:
            self.answer(
                502, {"error_code": 103, "status_code": 502, "msg": "failed to start tunnel", "details": {"err": TAKEN}}
            )
            return
        upstream = asked["upstream"]["url"] if "upstream" in asked else asked["addr"]
        endpoints[asked["name"]] = Proxy(upstream)
        self.answer(201, self.describe(asked["name"]))

    def do_DELETE(self):
        endpoints.pop(self.path.rsplit("/", 1)[-1]).stop()
        self.send_response(204)
        self.end_headers()

    def describe(self, name):
        address = endpoints[name].url
        return {"name": name, "url": address, "public_url": address, "uri": f"{self.path.rstrip('/')}/{name}"}

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def main():
    flags = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))
    settings = Path(flags["--config"]).read_text(encoding="utf-8")
    token = flags.get("--authtoken") or re.search(r"authtoken: (\S+)", settings)[1]
    record = {"arguments": sys.argv[1:], "settings": settings, "token": token, "pid": os.getpid()}
    Path(os.environ["FAKE_AGENT_RECORD"]).write_text(json.dumps(record), encoding="utf-8")
    if "refused" in token:
        refusal = REFUSAL.format(token=token)
        log("eror", "failed to reconnect session", obj="tunnels.session", err=refusal)
        log("crit", "command failed", err=refusal)
        sys.exit(1)
    Api.token = token
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    log("info", "starting web service", obj="web", addr=f"127.0.0.1:{api.server_address[1]}")
    log("info", "client session established", obj="tunnels.session")
    log("info", "tunnel session started", obj="tunnels.session")
    api.serve_forever()


main()
