"""What all providers of this folder do alike: they answer over HTTP, write down what they were asked, and break when a test tells them to.

A provider is a module with a class `Provider`: its constructor takes the JSON that the test gives it, `answer(request)` returns an `Answer`.
Run as `serving.py MODULE [CERTIFICATE KEY AUTHORITY]`, it prints its port and that of its desk. With a certificate it speaks TLS, and whoever
shows none of the authority is not let in. At the desk a test says and asks: `PUT /state` is what it has from now on, `GET /state` what it has
by now, `GET /seen` what it was asked (and forgets it), `POST /faults` what the next requests are answered instead: a list of
`{"when": "GET /path", "pass": 0, "status": 429, "headers": {}, "body": …}`, where `pass` such requests are let through before.
"""

import gzip
import importlib
import json
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

# The providers are imported from where the sources are.
sys.dont_write_bytecode = True


@dataclass
class Request:
    method: str
    path: str
    query: list
    headers: dict
    body: object
    peer: str = None

    def one(self, name, default=None):
        return next((value for known, value in self.query if known == name), default)

    def every(self, name):
        return [value for known, value in self.query if known == name]


@dataclass
class Answer:
    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)


class Refused(Exception):
    """Ends a request with an answer from anywhere within."""

    def __init__(self, status, body, headers=None):
        self.answer = Answer(status, body, headers or {})


class Desk:
    """The provider, and what a test wants to know of it and from it."""

    def __init__(self, make):
        self.make, self.provider = make, make({})
        self.lock, self.seen, self.faults = threading.RLock(), [], []

    def answer(self, request):
        with self.lock:
            entry = {"method": request.method, "path": request.path, "query": request.query, "headers": request.headers, "body": request.body}
            entry |= {"peer": request.peer, "at": time.monotonic()}
            self.seen.append(entry)
            try:
                answer = self.fault(request) or self.provider.answer(request)
            except Refused as refused:
                answer = refused.answer
            entry["status"] = answer.status
            return answer

    def told(self, request):
        with self.lock:
            return self.told_alone(request)

    def told_alone(self, request):
        if (request.method, request.path) == ("PUT", "/state"):
            self.provider, self.seen, self.faults = self.make(request.body), [], []
        elif (request.method, request.path) == ("POST", "/faults"):
            self.faults += request.body
        elif (request.method, request.path) == ("GET", "/seen"):
            seen, self.seen = self.seen, []
            return Answer(body=seen)
        elif (request.method, request.path) == ("GET", "/state"):
            return Answer(body=self.provider.state())
        else:
            return Answer(404, {"error": request.path})
        return Answer(204)

    def fault(self, request):
        for fault in self.faults:
            if not f"{request.method} {request.path}".startswith(fault["when"]):
                continue
            if fault.get("pass", 0) > 0:
                fault["pass"] -= 1
                continue
            self.faults.remove(fault)
            return Answer(fault["status"], fault.get("body"), fault.get("headers", {}))
        return None


def handler(answer):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def one(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            parts = urlsplit(self.path)
            body = raw.decode("utf-8", "replace") or None
            if body and "json" in headers.get("content-type", ""):
                body = json.loads(body)
            elif body and "form" in headers.get("content-type", ""):
                body = dict(parse_qsl(body))
            subject = self.connection.getpeercert().get("subject", ()) if isinstance(self.connection, ssl.SSLSocket) else ()
            peer = next((value for part in subject for name, value in part if name == "commonName"), None)
            request = Request(self.command, unquote(parts.path), parse_qsl(parts.query, True), headers, body, peer)
            self.give(answer(request), "gzip" in headers.get("accept-encoding", ""))

        def give(self, answer, may_pack):
            body, headers = answer.body, dict(answer.headers)
            if body is None:
                body = b""
            elif isinstance(body, bytes):
                pass
            elif isinstance(body, str):
                body = body.encode()
            else:
                body = json.dumps(body).encode()
                headers.setdefault("Content-Type", "application/json; charset=utf-8")
            if headers.pop("packed", None) and may_pack:
                body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            if answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if answer.status not in (204, 304):
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = one

    return Handler


def listening(answer):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(answer))
    server.daemon_threads = True
    return server


def main(module, *tls):
    desk = Desk(importlib.import_module(module).Provider)
    server, control = listening(desk.answer), listening(desk.told)
    if tls:
        certificate, key, authority = tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
        # Each connection shakes hands in its own thread: one that shows no certificate must not hold up the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(server.server_port, control.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    # As the module that the providers import, or there would be two of each class.
    importlib.import_module("serving").main(*sys.argv[1:])
