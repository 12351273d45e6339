"""Google's token endpoint and FCM's HTTP v1 endpoint, for one project, over HTTP/1.1.

Assertions are verified by PyJWT, messages by the `jsonschema` package against the API's discovery document, which the second argument
names. What is answered depends on the token, up to its first hyphen: `ok-7`, `unregistered-1`, `quota_once-3`, … Refusals have the shape
of the examples of https://firebase.google.com/docs/cloud-messaging/error-codes (a stored copy, read 2026-11-22); of the messages only
"The registration token is not a valid FCM registration token" is from there. `by_firebase.py` has Google's own library read them.

It prints its port, then a line of JSON for each request.
"""

import json
import secrets
import socket
import sys
import threading
import time
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jsonschema
import jwt

PUBLIC_KEY, DISCOVERY = open(sys.argv[1]).read(), json.load(open(sys.argv[2]))
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
FCM_ERROR, BAD_REQUEST = "type.googleapis.com/google.firebase.fcm.v1.FcmError", "type.googleapis.com/google.rpc.BadRequest"
good, ids, asked = set(), set(), Counter()
lock = threading.Lock()


def strict(property):
    if "$ref" in property:
        return {"$ref": "#/$defs/" + property["$ref"]}
    kind = property["type"]
    if kind == "any":
        return {}
    if kind == "array":
        return {"type": "array", "items": strict(property["items"])}
    if kind == "object":
        return {"type": "object", "additionalProperties": strict(property["additionalProperties"])}
    return {"enum": property["enum"]} if "enum" in property else {"type": kind}


SCHEMA = {
    "$ref": "#/$defs/SendMessageRequest",
    "$defs": {
        name: {"type": "object", "additionalProperties": False, "properties": {p: strict(q) for p, q in schema["properties"].items()}}
        for name, schema in DISCOVERY["schemas"].items()
    },
}
validator = jsonschema.Draft202012Validator(SCHEMA)


def refusal(code, status, message, fcm=None, fields=()):
    details = [{"@type": FCM_ERROR, "errorCode": fcm}] if fcm else []
    if fields:
        details.append({"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": message} for field in fields]})
    return code, {"error": {"code": code, "message": message, "status": status, "details": details}}


NOT_A_TOKEN = "The registration token is not a valid FCM registration token"
REFUSALS = {
    "unregistered": refusal(404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED"),
    "mismatch": refusal(403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH"),
    "invalid": refusal(400, "INVALID_ARGUMENT", NOT_A_TOKEN, "INVALID_ARGUMENT"),
    "named": refusal(400, "INVALID_ARGUMENT", "Invalid registration token", "INVALID_ARGUMENT", ["message.token"]),
    "large": refusal(400, "INVALID_ARGUMENT", "Android message is too big", "INVALID_ARGUMENT"),
    "apple": refusal(401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", "THIRD_PARTY_AUTH_ERROR"),
    "quota": refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded", "QUOTA_EXCEEDED"),
    "busy": refusal(503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE"),
    "internal": refusal(500, "INTERNAL", "Internal error encountered.", "INTERNAL"),
    "denied": refusal(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied"),
    "unauthenticated": refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
}


def give_token(url, form):
    form = dict(urllib.parse.parse_qsl(form))
    try:
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        required = {"require": ["iss", "aud", "iat", "exp"]}
        claims = jwt.decode(form["assertion"], PUBLIC_KEY, algorithms=["RS256"], audience=url, issuer="push@demo.example", options=required)
        assert claims["scope"] == SCOPE and claims["exp"] - claims["iat"] <= 3600 and claims.get("jti") not in ids
        ids.add(claims.get("jti"))
    except (AssertionError, KeyError, jwt.InvalidTokenError) as error:
        return 400, {"error": "invalid_grant", "error_description": repr(error)}
    token = secrets.token_urlsafe()
    good.add(token)
    return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"http://127.0.0.1:{self.server.server_port}{self.path}"
        if self.path == "/token":
            status, answer = give_token(url, body.decode())
            return self.answer(status, answer, {"kind": "token", "status": status, "why": answer.get("error_description")})
        request = json.loads(body)
        message = request["message"]
        to = message.get("token") or message.get("topic") or message.get("condition")
        errors = [error.message for error in validator.iter_errors(request)]
        line = {"kind": "message", "path": self.path, "to": to, "errors": errors, "request": request}
        script = to.split("-")[0]
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in good and token != "by-firebase":
            return self.answer(*REFUSALS["unauthenticated"], {**line, "status": 401})
        with lock:
            asked[to] += 1
            times = asked[to]
        if script == "slow":
            time.sleep(0.05)
        if script in ("drop", "drop_once") and (script == "drop" or times == 1):
            self.say({**line, "status": None})
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if script == "expired" and times == 1:
            # Somebody took the token back.
            good.discard(token)
            return self.answer(*REFUSALS["unauthenticated"], {**line, "status": 401})
        after = None
        if script.endswith("_once"):
            script, after = (script.removesuffix("_once"), "1") if times == 1 else ("ok", None)
        if script == "echo":
            status, answer = refusal(400, "INVALID_ARGUMENT", f"you said {self.headers['Authorization']}")
        elif script in REFUSALS:
            status, answer = REFUSALS[script]
        else:
            status, answer = 200, {"name": f"projects/demo/messages/{to}-{times}"}
        self.answer(status, answer, {**line, "status": status}, after)

    def say(self, line):
        with lock:
            print(json.dumps(line), flush=True)

    def answer(self, status, answer, line, after=None):
        # Said first: who sees the answer finds the line.
        self.say(line)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        if after:
            self.send_header("Retry-After", after)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
