"""DeepL, as its openapi.yaml (openapi.json beside this, which says where it was read) and its own mock describe it.

What is like DeepLcom/deepl-mock (index.js at 032d15de, auth.js at 155d4bec, glossaries.js at 002b2fbd, glossariesV3.js at 155d4bec, read
2026-11-22): 403 without a body for a key that is not known, 400 without a User-Agent, 456 where a request has more characters than are left,
429 as often as it is told to, what a glossary answers. Beyond that mock: bodies are held against the schemas, and 413 and 400 where a
request has more than 128 KiB or fifty texts.

A translation is `<target>|<text>`, or what the glossary has for the text. It prints its port, then a line of JSON for each request.
`POST /_told` changes what it does: the fields of TOLD.
"""

import json
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    SCHEMAS = {name: jsonschema.Draft202012Validator(schema) for name, schema in json.load(file).items() if name != "//"}
KEYS = sys.argv[2:]
# What the next requests for translations get: a list of things, the last of which stays if it is said twice.
TOLD = {"next": [], "character_limit": 10**12, "character_count": 0, "end_time": None, "pause_ms": 0, "ready": True}
glossaries = {}
seen = {}
lock = threading.Lock()


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", media_type="application/json", headers=()):
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.handle_any(b"")

    def do_POST(self):
        self.handle_any(self.rfile.read(int(self.headers.get("content-length") or 0)))

    def handle_any(self, body):
        url = urlsplit(self.path)
        if url.path == "/_told":
            with lock:
                TOLD.update(json.loads(body))
            return self.answer(200, {})
        try:
            parsed = json.loads(body) if body else None
        except ValueError:
            parsed = "unreadable"
        authorization = self.headers.get("authorization") or ""
        line = {"path": self.path, "method": self.command, "body": parsed, "bytes": len(body), "authorization": authorization,
                "content_type": self.headers.get("content-type")}
        key = authorization.removeprefix("DeepL-Auth-Key ")
        if not authorization.startswith("DeepL-Auth-Key ") or key not in KEYS:
            say({**line, "status": 403})
            return self.answer(403)
        if not self.headers.get("user-agent"):
            return self.answer(400, {"message": "User-Agent header missing."})
        routes = {
            ("GET", "/v2/usage"): self.usage,
            ("POST", "/v2/translate"): self.translate,
            ("GET", "/v2/glossaries"): self.list_glossaries,
            ("POST", "/v2/glossaries"): self.make_glossary,
        }
        route = routes.get((self.command, url.path))
        if route is None and url.path.startswith("/v3/glossaries/") and url.path.endswith("/entries"):
            route = self.entries
        if route is None:
            say({**line, "status": 404})
            return self.answer(404)
        return route(line, parsed, key, url)

    def usage(self, line, _body, _key, _url):
        usage = {name: TOLD[name] for name in ("character_count", "character_limit")}
        if TOLD["end_time"]:
            usage.update(start_time="2026-01-01T00:00:00Z", end_time=TOLD["end_time"])
        say({**line, "status": 200})
        self.answer(200, usage)

    def translate(self, line, body, key, url):
        errors = [error.message for error in SCHEMAS["translate"].iter_errors(body)]
        if line["bytes"] > 128 * 1024:
            say({**line, "body": None, "status": 413})
            return self.answer(413)
        if errors or len(body["text"]) > 50:
            say({**line, "status": 400, "errors": errors})
            return self.answer(400, {"message": errors[0] if errors else "Too many texts in request"})
        if body.get("glossary_id") and not body.get("source_lang"):
            return self.answer(400, {"message": "Use of a glossary requires the source_lang parameter to be specified"})
        glossary = glossaries.get(body.get("glossary_id"))
        if body.get("glossary_id") and (glossary is None or glossary["key"] != key):
            say({**line, "status": 404})
            return self.answer(404, {"message": "Glossary not found"})
        with lock:
            told = TOLD["next"].pop(0) if TOLD["next"] else None
            characters = sum(len(text) for text in body["text"])
            is_over = TOLD["character_count"] + characters > TOLD["character_limit"]
            if told is None and not is_over:
                TOLD["character_count"] += characters
        if told is not None:
            return self.odd(told, line, body)
        if is_over:
            say({**line, "status": 456})
            return self.answer(456, {"message": "Quota for this billing period has been exceeded."})
        terms = glossary["terms"] if glossary else {}
        source = body.get("source_lang", "EN")
        model = {"model_type_used": "quality_optimized"} if "model_type" in body else {}
        translations = [
            {"detected_source_language": source, "text": terms.get(text, f"{body['target_lang']}|{text}"), "billed_characters": len(text), **model}
            for text in body["text"]
        ]
        # Said before it is answered: it was paid for, whether the answer arrives or not.
        say({**line, "status": 200})
        time.sleep(TOLD["pause_ms"] / 1000)
        return self.answer(200, {"translations": translations})

    def odd(self, told, line, body):
        """Answers otherwise than it should: by a status, or by the name of a trick."""
        say({**line, "status": told})
        one = {"detected_source_language": "EN", "text": "wrong", "billed_characters": 1}
        count = len(body["text"])
        authorization = line["authorization"].removeprefix("DeepL-Auth-Key ")
        if told == "fewer":
            return self.answer(200, {"translations": [one] * (count - 1)})
        if told == "more":
            return self.answer(200, {"translations": [one] * (count + 1)})
        if told == "long":
            return self.answer(200, {"translations": [{**one, "text": "long " * 1_000}] * count})
        if told == "nulls":
            return self.answer(200, {"translations": [None] * count})
        if told == "numbers":
            return self.answer(200, {"translations": [{**one, "text": 7}] * count})
        if told == "error":
            return self.answer(200, {"message": "Something is wrong, and this says 200"})
        if told == "html":
            return self.answer(200, b"<html>Welcome</html>", "text/html")
        if told == "cut":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"translations": [')
            self.close_connection = True
            return None
        if told == "endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                while True:
                    self.wfile.write(b'{"translations": [' + b" " * 65536)
            except OSError:
                return None
        if told == "echo":
            return self.answer(200, {"translations": [{**one, "text": f"your key is {authorization}"}] * count})
        if told in (301, 302, 307):
            return self.answer(told, headers=[("location", "/v2/usage")])
        headers = [("retry-after", "1")] if told in (429, 503, 529) else []
        return self.answer(told, {"message": f"told {told}", "detail": f"by {authorization}"}, headers=headers)

    def list_glossaries(self, line, _body, key, _url):
        say({**line, "status": 200})
        self.answer(200, {"glossaries": [info(one) for one in glossaries.values() if one["key"] == key]})

    def make_glossary(self, line, body, key, _url):
        # The official package sends upper case, and DeepL takes it.
        lower = {**body, "source_lang": body["source_lang"].lower(), "target_lang": body["target_lang"].lower()}
        errors = [error.message for error in SCHEMAS["glossary"].iter_errors(lower)]
        if lower["target_lang"] == "th":
            errors.append("Unsupported glossary source and target language pair")
        if errors:
            say({**line, "status": 400})
            return self.answer(400, {"message": errors[0]})
        terms = dict(entry.split("\t") for entry in body["entries"].split("\n"))
        one = {"id": str(uuid.uuid4()), "name": body["name"], "key": key, "terms": terms, "source": lower["source_lang"], "target": lower["target_lang"]}
        glossaries[one["id"]] = one
        say({**line, "status": 201, "id": one["id"]})
        return self.answer(201, info(one))

    def entries(self, line, _body, key, url):
        one = glossaries.get(url.path.split("/")[3])
        asked = parse_qs(url.query)
        if one is None or one["key"] != key or [one["source"]] != asked["source_lang"] or [one["target"]] != asked["target_lang"]:
            say({**line, "status": 404})
            return self.answer(404, {"message": "Dictionary not found"})
        entries = "\n".join(f"{term}\t{translation}" for term, translation in one["terms"].items())
        dictionary = {"source_lang": one["source"], "target_lang": one["target"], "entries_format": "tsv", "entries": entries}
        say({**line, "status": 200})
        return self.answer(200, {"dictionaries": [dictionary]})


def info(one):
    return {"glossary_id": one["id"], "name": one["name"], "ready": TOLD["ready"], "source_lang": one["source"], "target_lang": one["target"],
            "creation_time": "2026-11-22T00:00:00.000Z", "entry_count": len(one["terms"])}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
