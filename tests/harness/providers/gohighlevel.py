"""The contacts of HighLevel's API 2.0.

After its OpenAPI (github.com/GoHighLevel/highlevel-api-docs, apps/contacts.json at 030b7decdc7f3e0f961f3139ce0308ec173ce6c3), its help page on
limits (https://help.gohighlevel.com/support/solutions/articles/48001060529-highlevel-api) and, for the search's body, which the OpenAPI leaves
out, a copy of its page (https://help.hoopai.com/api-reference/overview/contacts-search); all read on 2026-11-22.
The state: `{"token", "location", "duplicates": false, "contacts": [{"id", "email", "dateAdded", "dateUpdated", …}], "left": 100, "left_today": 200000,
"interval_ms": 10000}`: once nothing is left, there is again so long after.
"""

import secrets
import time

from serving import Answer, Refused

PAGE_MAX = 500  # "Results per page (max 500)"
REACH = 10_000  # "Standard pagination (page + pageLimit) Fetches up to 10,000 records total."
# UpsertContactDto; anything else is refused, as the API does with unknown properties.
FIELDS = """firstName lastName name email locationId gender phone address1 city state postalCode website timezone dnd dndSettings
inboundDndSettings tags customFields source country companyName assignedTo""".split()


def refused(status, message):
    error = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 422: "Unprocessable Entity"}[status]
    return Refused(status, {"statusCode": status, "message": message, "error": error})


class Provider:
    def __init__(self, state):
        self.token, self.location = state.get("token", "pit-of-the-tests"), state.get("location", "loc1")
        self.duplicates = state.get("duplicates", False)
        self.contacts = state.get("contacts", [])
        self.left, self.left_today = state.get("left", 100), state.get("left_today", 200_000)
        self.versions = state.get("versions", ["2021-07-28", "v3"])
        self.interval_ms = state.get("interval_ms", 10_000)
        self.clock = self.emptied_at = 0

    def state(self):
        return {"contacts": self.contacts, "location": self.location}

    def answer(self, request):
        if self.left <= 0 and time.monotonic() - self.emptied_at >= self.interval_ms / 1000:
            self.left = 100
        self.left, self.left_today = self.left - 1, self.left_today - 1
        if self.left == 0:
            self.emptied_at = time.monotonic()
        limits = {
            "X-RateLimit-Limit-Daily": "200000",
            "X-RateLimit-Daily-Remaining": str(max(self.left_today, 0)),
            "X-RateLimit-Interval-Milliseconds": str(self.interval_ms),
            "X-RateLimit-Max": "100",
            "X-RateLimit-Remaining": str(max(self.left, 0)),
        }
        if self.left < 0 or self.left_today < 0:
            return Answer(429, {"statusCode": 429, "message": "Too Many Requests"}, limits)
        answer = self.answered(request)
        answer.headers |= limits
        return answer

    def answered(self, request):
        if request.headers.get("version") not in self.versions:
            raise refused(400, "version header is required.")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise refused(401, "Invalid JWT")
        match (request.method, request.path.strip("/").split("/")):
            case ("POST", ["contacts", "search"]):
                return self.search(request.body or {})
            case ("POST", ["contacts", "upsert"]):
                return self.upsert(request.body or {})
            case ("GET", ["contacts", "search", "duplicate"]):
                same = self.same({"email": request.one("email"), "phone": request.one("number")})
                return Answer(body={"contact": same[0] if same else None})
            case ("GET", ["contacts", identity]):
                return Answer(body={"contact": self.found(identity)})
            case ("DELETE", ["contacts", identity]):
                self.contacts.remove(self.found(identity))
                return Answer(body={"succeded": True})
        raise refused(404, f"Cannot {request.method} {request.path}")

    def search(self, asked):
        wrong = [f"property {name} should not exist" for name in asked if name not in SEARCH]
        if asked.get("locationId") != self.location:
            wrong.append("locationId should not be empty")
        size = asked.get("pageLimit")
        if not isinstance(size, int) or not 1 <= size <= PAGE_MAX:
            wrong.append("pageLimit must be a number between 1 and 500")
        if "page" in asked and "searchAfter" in asked:  # "Do not include page when using searchAfter."
            wrong.append("page and searchAfter cannot be used together")
        if wrong:
            raise refused(422, wrong)
        kept = sorted((one for one in self.contacts if passes(one, asked.get("filters", []))), key=place)
        if "searchAfter" in asked:
            after = tuple(asked["searchAfter"])
            page = [one for one in kept if place(one) > after][:size]
        else:
            first = (asked.get("page", 1) - 1) * size
            if first + size > REACH:
                raise refused(400, "page window is too large")
            page = kept[first : first + size]
        # Each contact has its own place: `"searchAfter": [1234, "102goXVW3lIExEQPOnd3"]`.
        return Answer(body={"contacts": [one | {"searchAfter": list(place(one))} for one in page], "total": len(kept)})

    def upsert(self, asked):
        wrong = [f"property {name} should not exist" for name in asked if name not in FIELDS]
        # None of UpsertContactDto's properties is nullable.
        wrong += [f"{name} must be a string" for name, value in asked.items() if value is None]
        if asked.get("locationId") != self.location:
            wrong.append("locationId can't be undefined")
        if asked.get("email") and "@" not in asked["email"]:
            wrong.append("email must be an email")
        if wrong:
            raise refused(422, wrong)
        same = [] if self.duplicates else self.same(asked)
        self.clock += 1
        if same:
            contact, new = same[0], False
        else:
            contact, new = {"id": secrets.token_urlsafe(15), "dateAdded": f"2026-11-22T06:00:{self.clock % 60:02}.000Z"}, True
            self.contacts.append(contact)
        contact |= asked | {"dateUpdated": f"2026-11-22T06:00:{self.clock % 60:02}.000Z"}
        return Answer(201 if new else 200, {"new": new, "contact": contact, "traceId": secrets.token_hex(8)})

    def same(self, asked):
        """First by e-mail, then by telephone: the order that a location has unless it is set otherwise."""
        for name in ("email", "phone"):
            if asked.get(name) and (found := [one for one in self.contacts if one.get(name, "").lower() == asked[name].lower()]):
                return found
        return []

    def found(self, identity):
        for contact in self.contacts:
            if contact["id"] == identity:
                return contact
        raise refused(400, "Contact not found")


SEARCH = ["locationId", "page", "pageLimit", "searchAfter", "filters", "sort", "query"]


def place(contact):
    return (contact.get("millis", 0), contact["id"])


def passes(contact, filters):
    for one in filters:
        value = contact.get(one["field"])
        match one["operator"]:
            case "eq" if value != one["value"]:
                return False
            case "range" if any(not holds(value, how, bound) for how, bound in one["value"].items()):
                return False
    return True


def holds(value, how, bound):
    return value is not None and {"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}[how]
