"""What answers as OpenAI's `POST /v1/embeddings` does: requests and answers are held against its schemas (openai.json beside this, which says where
it was read), with its limits of 2,048 texts, 8,192 tokens a text and 300,000 a request (a token is four bytes here).

A vector says which text it is of: its length in bytes, the sum of its bytes, and its first byte, divided by a thousand, then zeros and a one. The data
comes in the reverse order. It prints its port, then a line of JSON for each request. `POST /_told` changes what it does: the fields of TOLD.
"""

import base64
import json
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import jsonschema

with open(sys.argv[1], encoding="utf-8") as file:
    SCHEMAS = {name: jsonschema.Draft202012Validator(schema) for name, schema in json.load(file).items() if name != "//"}
KEYS = sys.argv[2:]
DIMENSION = 8
# What the next requests get: a list of things, each used once.
TOLD = {"next": [], "pause_ms": 0, "float_only": False}
lock = threading.Lock()


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


def vector_of(text, dimension):
    content = text.encode()
    numbers = [len(content) / 1000, sum(content) / 1000, content[0] / 1000] + [0.0] * (dimension - 4) + [1.0]
    return [struct.unpack("<f", struct.pack("<f", number))[0] for number in numbers]


def tokens_of(text):
    return -(-len(text.encode()) // 4)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status, message, kind="invalid_request_error", code=None, headers=()):
        self.answer(status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path
        if path == "/_told":
            with lock:
                TOLD.update(json.loads(body))
            return self.answer(200, {})
        try:
            asked = json.loads(body)
        except ValueError:
            asked = None
        authorization = self.headers.get("authorization") or ""
        errors = [error.message for error in SCHEMAS["request"].iter_errors(asked)]
        line = {"path": self.path, "body": asked, "bytes": len(body), "content_type": self.headers.get("content-type"), "errors": errors}
        with lock:
            told = TOLD["next"].pop(0) if TOLD["next"] else None
        if path != "/v1/embeddings":
            say({**line, "status": 404})
            return self.refuse(404, f"Invalid URL (POST {path})")
        if authorization.removeprefix("Bearer ") not in KEYS:
            say({**line, "status": 401})
            return self.refuse(401, f"Incorrect API key provided: {authorization.removeprefix('Bearer ')}.", code="invalid_api_key")
        if errors:
            say({**line, "status": 400})
            return self.refuse(400, errors[0])
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        if any(not isinstance(text, str) or not text for text in texts):
            say({**line, "status": 400})
            return self.refuse(400, "'$.input' is invalid.")
        counts = [tokens_of(text) for text in texts]
        if max(counts) > 8_192 or sum(counts) > 300_000:
            say({**line, "status": 400})
            return self.refuse(400, f"Requested {sum(counts)} tokens, max 300000 tokens per request", kind="max_tokens_per_request")
        if told is not None:
            return self.odd(told, line, texts)
        dimension = asked.get("dimensions", DIMENSION)
        as_text = asked.get("encoding_format") == "base64" and not TOLD["float_only"]

        def form(vector):
            return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if as_text else vector

        data = [{"object": "embedding", "index": place, "embedding": form(vector_of(text, dimension))} for place, text in enumerate(texts)]
        answer = {"object": "list", "model": asked["model"], "data": data[::-1], "usage": {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}}
        SCHEMAS["response"].validate(answer)
        # Said before it is answered: it was paid for, whether the answer arrives or not.
        say({**line, "status": 200})
        time.sleep(TOLD["pause_ms"] / 1000)
        return self.answer(200, answer)

    def odd(self, told, line, texts):
        """Answers otherwise than it should: by a status, or by the name of a trick."""
        say({**line, "status": told})
        authorization = self.headers.get("authorization") or ""

        def of(vectors):
            return {"object": "list", "model": "m", "data": [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]}

        good = [vector_of(text, DIMENSION) for text in texts]
        nan = base64.b64encode(struct.pack(f"<{DIMENSION}f", *([float("nan")] * DIMENSION))).decode()
        tricks = {
            "fewer": of(good[1:]),
            "more": of(good + good),
            "dimension": of([vector[1:] for vector in good]),
            "nan": of([nan] * len(texts)),
            "nulls": of([None] * len(texts)),
            "twice": {"data": [{"index": 0, "embedding": vector} for vector in good]},
            "repeats": {"error": f"I was sent {authorization}"},
        }
        if told in tricks:
            return self.answer(200, tricks[told])
        if told == "rate":
            message = "Rate limit reached for m in organization org-x on tokens per min (TPM): Limit 1000000. Please try again in 2.812s."
            return self.refuse(429, message, kind="tokens", code="rate_limit_exceeded", headers=[("retry-after-ms", "2812"), ("retry-after", "3")])
        if told == "unpaid":
            message = "You exceeded your current quota, please check your plan and billing details."
            return self.refuse(429, message, kind="insufficient_quota", code="insufficient_quota")
        if told == "cut":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"object": "list"')
            self.close_connection = True
            return None
        if told == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b'{"data": [' + b"0," * 50_000)
            except OSError:
                self.close_connection = True
            return None
        if told == "page":
            return self.answer(200, b"<html>")
        return self.refuse(told, f"told to, {authorization}", headers=[("retry-after", "7")] if told in (429, 503) else [])


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
