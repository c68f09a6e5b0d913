"""A reverse proxy on loopback, as tunnels and port proxies are: it passes requests on and says who asked."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

VISITOR = "203.0.113.7"


class Proxy(ThreadingHTTPServer):
    """Passes what it is asked on to `upstream`, but POST not if it `refuses_post`. Serves from the background."""

    daemon_threads = True

    def __init__(self, upstream, refuses_post=False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.refuses_post = urlsplit(upstream).netloc, refuses_post
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.pass_on()

    def do_POST(self):
        if self.server.refuses_post:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer(500, {"Content-Type": "text/html"}, b"<h1>Not allowed</h1>")
        else:
            self.pass_on()

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {**self.headers, "X-Forwarded-For": VISITOR, "X-Forwarded-Proto": "https"}
        connection = http.client.HTTPConnection(self.server.upstream, timeout=10)
        connection.request(self.command, self.path, body, headers)
        with connection.getresponse() as response:
            self.answer(response.status, dict(response.headers), response.read())
        connection.close()

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            if name not in ("Transfer-Encoding", "Connection", "Date", "Server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass
