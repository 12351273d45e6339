"""CBB, Doktor365, OnlyChannel and Chat365 as the presets assume them: nothing is published of their APIs, and this is no claim about them.

They have tokens of OAuth 2.0 (RFC 6749, client credentials) of 55 minutes, lists by numbered pages, by a cursor and by an offset, and messages that
are sent once for each Idempotency-Key. The state: `{"client": ["id", "secret"], "/api/v1/contacts": [...], "/v1/patients": [...], …}`.
"""

import base64
import secrets

from serving import Answer, Refused

TOKEN_S = 55 * 60


class Provider:
    def __init__(self, state):
        self.client = state.get("client", ["id", "secret"])
        self.lists = {path: rows for path, rows in state.items() if path.startswith("/")}
        self.tokens, self.messages = [], {}

    def state(self):
        return {"tokens": len(self.tokens), "messages": list(self.messages.values())}

    def answer(self, request):
        if request.path == "/oauth/token":
            return self.token(request)
        # One that was given out before the last is good no more: a run that takes longer than a token lives goes on with the next.
        if request.headers.get("authorization") != f"Bearer {self.tokens[-1] if self.tokens else ''}":
            raise Refused(401, {"message": "token expired"})
        if (request.method, request.path) == ("POST", "/v1/messages"):
            return self.message(request)
        rows = self.lists.get(request.path)
        if request.method != "GET" or rows is None:
            raise Refused(404, {"message": "not found"})
        if since := request.one("updatedSince"):
            rows = [row for row in rows if row["updatedAt"] >= since[:19]]
        return Answer(body=PAGES[request.path](rows, request))

    def token(self, request):
        form = request.body or {}
        basic = "Basic " + base64.b64encode(":".join(self.client).encode()).decode()
        if [form.get("client_id"), form.get("client_secret")] != self.client and request.headers.get("authorization") != basic:
            raise Refused(401, {"error": "invalid_client"})
        self.tokens.append(secrets.token_urlsafe(24))
        return Answer(200, {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": TOKEN_S})

    def message(self, request):
        key, body = request.headers.get("idempotency-key"), request.body or {}
        if not key or not body.get("message", {}).get("to"):
            raise Refused(422, {"message": "an Idempotency-Key and a recipient are needed"})
        if key not in self.messages:
            self.messages[key] = {"id": f"m{len(self.messages)}", **body["message"]}
        return Answer(201, {"message": {"id": self.messages[key]["id"]}})


def numbered(rows, request):
    page, size = int(request.one("page", 1)), int(request.one("pageSize", 20))
    return {"data": rows[(page - 1) * size : page * size], "total": len(rows), "page": page}


def by_cursor(name):
    def page(rows, request):
        first, size = int(request.one("cursor", 0)), int(request.one("limit", 20))
        after = first + size
        return {name: rows[first:after], "nextCursor": str(after) if after < len(rows) else None}

    return page


def by_offset(rows, request):
    first, size = int(request.one("offset", 0)), int(request.one("limit", 20))
    return {"contacts": rows[first : first + size], "meta": {"total": len(rows)}}


PAGES = {
    "/api/v1/contacts": numbered,
    "/v1/patients": by_cursor("patients"),
    "/v1/appointments": by_cursor("appointments"),
    "/v1/contacts": by_offset,
}
