"""An API like many: tokens of OAuth 2.0 (RFC 6749, client credentials), pages by a link in the header (RFC 8288), entity tags (RFC 9110), and the
header fields of draft-ietf-httpapi-ratelimit-headers-10 (27 September 2025).

The state: `{"items": [...], "client": ["id", "secret"], "expires_in": 3300, "quota": 100}`.
"""

import base64
import hashlib
import json
import secrets
import time

from serving import Answer, Refused

WINDOW_S = 1  # after which there is a quota again


class Provider:
    def __init__(self, state):
        self.items, self.client = state.get("items", []), state.get("client", ["id", "secret"])
        self.expires_in, self.quota = state.get("expires_in", 3300), state.get("quota", 100)
        self.good, self.emptied_at = [], 0

    def state(self):
        return {"items": self.items, "tokens": len(self.good)}

    def answer(self, request):
        if request.path == "/oauth/token":
            return self.token(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.good[-1:]:
            raise Refused(401, {"title": "no such token"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        if request.path != "/items" or request.method != "GET":
            raise Refused(404, {"title": "not found"})
        if self.quota <= 0 and time.monotonic() - self.emptied_at >= WINDOW_S:
            self.quota = 100
        self.quota -= 1
        if self.quota == 0:
            self.emptied_at = time.monotonic()
        limits = {"RateLimit-Policy": '"burst";q=100;w=60', "RateLimit": f'"burst";r={max(self.quota, 0)};t={WINDOW_S}'}
        if self.quota < 0:
            raise Refused(429, {"title": "slow down"}, limits | {"Retry-After": str(WINDOW_S)})
        first, size = int(request.one("after", 0)), int(request.one("per_page", 50))
        page = self.items[first : first + size]
        headers = limits
        if first + size < len(self.items):
            # Other relations, parameters and quotes stand around it, as the RFC allows.
            headers["Link"] = f'</items?per_page={size}>; rel="first", </items?per_page={size}&after={first + size}>; title="a, b"; rel="prefetch next"'
        tag = '"' + hashlib.sha256(json.dumps(page, sort_keys=True).encode()).hexdigest()[:16] + '"'
        if request.headers.get("if-none-match") == tag:
            return Answer(304, None, headers | {"ETag": tag})
        return Answer(200, page, headers | {"ETag": tag})

    def token(self, request):
        form = request.body or {}
        basic = "Basic " + base64.b64encode(":".join(self.client).encode()).decode()
        known = [form.get("client_id"), form.get("client_secret")] == self.client or request.headers.get("authorization") == basic
        if request.method != "POST" or form.get("grant_type") != "client_credentials":
            raise Refused(400, {"error": "unsupported_grant_type"})
        if not known:
            raise Refused(401, {"error": "invalid_client"})
        self.good.append(secrets.token_urlsafe(24))
        return Answer(200, {"access_token": self.good[-1], "token_type": "Bearer", "expires_in": self.expires_in}, {"Cache-Control": "no-store"})
