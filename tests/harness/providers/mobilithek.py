"""The Mobilithek's broker, for a data client that pulls.

Its own interface description is not among what could be read; this follows what independent public clients do: github.com/Karte-Bayern/Mobilithek
(docs/endpoints.md and client.go at 36316e2da0de8ca3554f33c9d694db1d867858db) and github.com/ParkenDD/parkapi-sources-v3 (whose fixtures at
455d90248ad826f9077b0580573b5c522232ce20 are the publications), read on 2026-11-22. The state: `{"offers": {"1234567890": {"xml" or "json",
"modified": "Sun, 22 Nov 2026 06:00:00 GMT", "subject": "CN that may read it", "hidden": whether it is packed without saying so}}}`.
"""

import gzip
import json

from serving import Answer, Refused

# A subscription's path: in general, of DATEX II v2, and of v3.
GENERAL = "/mobilithek/api/v1.0/subscription"


class Provider:
    def __init__(self, state):
        self.offers = state.get("offers", {})

    def state(self):
        return {"offers": self.offers}

    def answer(self, request):
        identity = request.one("subscriptionID", "")
        paths = (GENERAL, f"{GENERAL}/{identity}/clientPullService", f"{GENERAL}/datexv3")
        if request.method != "GET" or request.path not in paths:
            raise Refused(404, None)
        offer = self.offers.get(identity)
        if offer is None or offer.get("subject", request.peer) != request.peer:
            raise Refused(403, "no such subscription of yours", {"Content-Type": "text/plain"})
        if "json" not in offer and "xml" not in offer:
            return Answer(204)
        modified = offer["modified"]
        if request.headers.get("if-modified-since") == modified:
            return Answer(304, None, {"Last-Modified": modified})
        if "json" in offer:
            body, media_type = json.dumps(offer["json"]), "application/json"
        else:
            body, media_type = offer["xml"], "text/xml;charset=UTF-8"
        headers = {"Content-Type": media_type, "Last-Modified": modified}
        if offer.get("hidden"):
            return Answer(200, gzip.compress(body.encode()), headers)
        return Answer(200, body, headers | {"packed": True})
