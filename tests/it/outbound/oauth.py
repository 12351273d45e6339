"""An authorization server of oauthlib's, and one that takes assertions, which PyJWT verifies; and a service that their tokens open.

It prints its port, then a line of JSON for each request for a token.
"""

import base64
import json
import secrets
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from oauthlib.oauth2 import BackendApplicationServer, RefreshTokenGrant, RequestValidator
from oauthlib.oauth2.rfc6749.endpoints import TokenEndpoint
from oauthlib.oauth2.rfc6749.tokens import BearerToken

CLIENT, SECRET, PUBLIC_KEY = sys.argv[1], sys.argv[2], open(sys.argv[3]).read()
good, refresh, used = set(), {"first-refresh-token"}, set()
lock = threading.Lock()


class Validator(RequestValidator):
    def authenticate_client(self, request):
        header = request.headers.get("Authorization", "")
        if header.startswith("Basic "):
            # RFC 6749, 2.3.1: each half is form-encoded.
            id, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            id, secret = urllib.parse.unquote_plus(id), urllib.parse.unquote_plus(secret)
        else:
            id, secret = request.client_id, request.client_secret
        request.client = type("Client", (), {"client_id": id})()
        return (id, secret) == (CLIENT, SECRET)

    def client_authentication_required(self, request, *_):
        return True

    def validate_grant_type(self, *_):
        return True

    def get_default_scopes(self, *_):
        return []

    def validate_scopes(self, client_id, scopes, *_):
        return set(scopes) <= {"read", "write:all"}

    def validate_refresh_token(self, refresh_token, *_):
        return refresh_token in refresh

    def get_original_scopes(self, *_):
        return ["read"]

    def rotate_refresh_token(self, request):
        refresh.discard(request.refresh_token)
        return True

    def save_bearer_token(self, token, request, *_):
        good.add(token["access_token"])
        if "refresh_token" in token:
            refresh.add(token["refresh_token"])


validator = Validator()
bearer = BearerToken(validator, expires_in=3600)
refreshing = TokenEndpoint("refresh_token", bearer, {"refresh_token": RefreshTokenGrant(validator)})
backend = BackendApplicationServer(validator, token_expires_in=3600)


def by_assertion(url, form):
    try:
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        required = {"require": ["iss", "sub", "aud", "iat", "exp", "jti"]}
        claims = jwt.decode(form["assertion"], PUBLIC_KEY, algorithms=["RS256"], audience=url, issuer="robot@example.com", options=required)
        assert claims["exp"] - claims["iat"] <= 3600 and claims["scope"] == "read write:all" and claims["sub"] == "person@example.com"
        assert jwt.get_unverified_header(form["assertion"])["kid"] == "key-1"
        assert claims["jti"] not in used
        used.add(claims["jti"])
    except (AssertionError, KeyError, jwt.InvalidTokenError) as error:
        return {}, json.dumps({"error": "invalid_grant", "error_description": repr(error)}), 400
    token = secrets.token_urlsafe()
    good.add(token)
    return {}, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600}), 200


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        url = f"http://127.0.0.1:{self.server.server_port}{self.path}"
        headers = dict(self.headers.items())
        if self.path == "/client":
            _, answer, status = backend.create_token_response(url, "POST", body, headers)
        elif self.path == "/refresh":
            _, answer, status = refreshing.create_token_response(url, "POST", body, headers)
        elif self.path == "/assertion":
            _, answer, status = by_assertion(url, dict(urllib.parse.parse_qsl(body)))
        else:
            token = headers.get("authorization", headers.get("Authorization", "")).removeprefix("Bearer ")
            status, answer = (200, '"in"') if token in good else (401, '"out"')
            if self.path == "/once":
                # Good for this once, as if somebody took it back.
                good.discard(token)
        if self.path in ("/client", "/refresh", "/assertion"):
            with lock:
                print(json.dumps({"path": self.path, "status": status, "answer": json.loads(answer).get("error")}), flush=True)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())


import os

# The server speaks http on this machine, which oauthlib would refuse.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
