"""A customer's endpoint. The official package of Standard Webhooks checks each request by each of its secrets; what is done depends on the path.

It prints its port, then a line of JSON for each request: what came, and how many of the secrets verified it.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRETS = sys.argv[1:]
AGAIN = ("/429", "/503", "/500", "/409", "/423")
seen = {}
lock = threading.Lock()


def verified(body, headers):
    good = 0
    for secret in SECRETS:
        try:
            Webhook(secret).verify(body.decode(), headers)
            good += 1
        except WebhookVerificationError:
            pass
        except json.JSONDecodeError:
            # It reads the body once the signature is good, and there may be none.
            good += not body
    return good


def post(url, body):
    data = json.dumps(body).encode() if body is not None else b""
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return [answer.status, json.load(answer)]
    except urllib.error.HTTPError as error:
        return [error.code, json.load(error)]


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        with lock:
            times = seen[self.path] = seen.get(self.path, 0) + 1
        callback = headers.pop("windrow-callback-url", None)
        say({"path": self.path, "method": self.command, "body": body.decode(), "headers": headers, "verified": verified(body, headers), "times": times})
        json_type = [("Content-Type", "application/json"), ("X-Request", "r1"), ("Set-Cookie", "a=b")]
        if path == "/ok":
            self.answer(200, b'{"answer": 42}', json_type)
        elif path == "/text":
            self.answer(200, "grüße".encode(), [("Content-Type", "text/plain; charset=utf-8")])
        elif path == "/empty":
            self.answer(204)
        elif path == "/large":
            self.answer(200, b"x" * 100_000, [("Content-Type", "text/plain")])
        elif path == "/huge":
            self.answer(200, b"x" * 9_000_000, [("Content-Type", "text/plain")])
        elif path in AGAIN and times == 1:
            self.answer(int(path[1:]), b"busy", [("Retry-After", "1")])
        elif path in AGAIN:
            self.answer(200, b'"better"', json_type)
        elif path == "/hang" and times == 1:
            threading.Event().wait(3)
            self.close_connection = True
        elif path == "/hang":
            self.answer(200, b'"better"', json_type)
        elif path[1:].isdigit():
            self.answer(int(path[1:]), b"no: \x1b[31mnever", [("Location", "http://169.254.169.254/")])
        elif path == "/async/silent" and times > 1:
            self.answer(200, b'"better"', json_type)
        elif path.startswith("/async"):
            self.answer(202)
            threading.Thread(target=finish, args=(path, callback, times)).start()
        else:
            self.answer(404)

    do_PUT = do_GET = do_DELETE = do_PATCH = do_POST


def finish(path, callback, times):
    said = [post(callback + "/heartbeat", None)]
    if path == "/async/ok":
        said.append(post(callback, {"result": {"rows": 1200}}))
        said.append(post(callback, {"result": "again"}))
    elif path == "/async/fails":
        said.append(post(callback, {"error": {"code": "disk_full", "message": "no room", "retryable": times == 1}}))
    say({"path": path, "reported": said, "callback": callback})


server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
print(server.server_port, flush=True)
server.serve_forever()
