"""Destination.One's search (eT4.META).

After https://developer.et4.de/reference/current/eT4%20META-search.html and https://help.destination.one/portal/de/kb/articles/meta-service-search
(parameters), and an answer kept in github.com/werkraum-media/events, Tests/Functional/Import/DestinationDataTest/Fixtures/Response.json at
5652ea6442203fcd1046ea0e6758a679d70b11a8 (its form); read on 2026-11-22. What it answers to a wrong key is not specified: `status` other than OK
is our reading. The state: `{"key", "experience", "items": [...]}`.
"""

from serving import Answer, Refused

LIMIT = 10


class Provider:
    def __init__(self, state):
        self.key, self.experience = state.get("key"), state.get("experience", "beispielstadt")
        self.items = state.get("items", [])

    def state(self):
        return {"items": self.items}

    def answer(self, request):
        if (request.method, request.path) != ("GET", "/rest.ashx/search/"):
            raise Refused(404, "<html>404</html>", {"Content-Type": "text/html"})
        if request.one("template") != "ET2014A.json":
            # "template … Default: ecMapsGeoRssFeed"
            return Answer(body='<?xml version="1.0"?><rss/>', headers={"Content-Type": "application/rss+xml"})
        if request.one("experience") != self.experience or (self.key and request.one("licensekey") != self.key):
            return Answer(body={"status": "ERROR", "message": "experience or licensekey is not valid", "count": 0, "overallcount": 0, "items": []})
        items = [item for item in self.items if item.get("type") == request.one("type", item.get("type"))]
        if request.one("sort") == "globalid asc":
            items.sort(key=lambda item: item["global_id"])
        first, size = int(request.one("offset", 0)), int(request.one("limit", LIMIT))
        page = items[first : first + size]
        body = {"status": "OK", "count": len(page), "overallcount": len(items), "channels": [], "facetGroups": [], "items": page}
        return Answer(body=body, headers={"packed": True})
