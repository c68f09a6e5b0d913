"""Stands in for cloudflared: the lines that it writes to stderr, as FAKE_CLOUDFLARED says.

works       an address, then a connection, then many more lines
refused     no address: the request for one fails, with cloudflared's own address in the message
unconnected an address, but no connection

What it was started with is written to the file that FAKE_AGENT_RECORD names.
"""

import json
import os
import sys
import time
from pathlib import Path


def say(text):
    print(text, file=sys.stderr, flush=True)


def log(level, text):
    say(f"2026-01-01T00:00:00Z {level} {text}")


def main():
    record = Path(os.environ["FAKE_AGENT_RECORD"])
    started = {"arguments": sys.argv[1:], "pid": os.getpid(), "wrote_all": False}
    record.write_text(json.dumps(started), encoding="utf-8")
    log("INF", "Requesting new quick Tunnel on trycloudflare.com...")
    if os.environ["FAKE_CLOUDFLARED"] == "refused":
        log("ERR", 'Error unmarshaling QuickTunnel response: error code: 1015 status_code="429 Too Many Requests"')
        say('failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": no such host')
        sys.exit(1)
    log("INF", "|  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |")
    log("INF", "|  https://four-small-words-here.trycloudflare.com                                          |")
    if os.environ["FAKE_CLOUDFLARED"] == "unconnected":
        log("ERR", "Failed to dial a quic connection: timeout: no recent network activity")
        time.sleep(60)
    log("INF", "Registered tunnel connection connIndex=0 protocol=quic")
    for number in range(3000):  # more than a pipe holds
        log("INF", f"a message that nobody waits for, number {number} of 3000")
    record.write_text(json.dumps({**started, "wrote_all": True}), encoding="utf-8")
    time.sleep(60)


main()
