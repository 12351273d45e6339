"""What answers as Qdrant's REST API does, of which no server is to be had here: bodies and answers are held against the models of PyPI's `qdrant-client`,
which are generated of Qdrant's OpenAPI document and refuse unknown fields, and the work is done by Qdrant's own engine (PyPI's `qdrant-edge-py`), a shard
for each collection. Statuses and messages of errors are as Qdrant's source has them (lib/storage/src/content_manager/errors.rs, src/actix/auth.rs).

`qdrant.py FOLDER [--key KEY] [--owner PID]`: collections lie in the folder; it ends when the process of this id is gone. It prints its port, then, of its
own key alone, a line of JSON for each request. `POST /_told` changes what it does: `{"next": [...]}` is what the next requests get, each used once.
What a test itself asks has the header `x-test`: it gets none of these, and is not told.
"""

import argparse
import importlib
import importlib.util
import json
import os
import re
import shutil
import sys
import threading
import time
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pydantic
import qdrant_edge as edge


def models():
    """The models alone: the package as a whole would want gRPC."""
    root = importlib.util.find_spec("qdrant_client").submodule_search_locations[0]
    for name, folder in (("qdrant_client", root), ("qdrant_client.http", os.path.join(root, "http"))):
        bare = types.ModuleType(name)
        bare.__path__ = [folder]
        sys.modules[name] = bare
    return importlib.import_module("qdrant_client.http.models.models")


m = models()
parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--key")
parser.add_argument("--owner", type=int)
told_at_start = parser.parse_args()
POINTS = pydantic.TypeAdapter(m.PointInsertOperations)
SELECTOR = pydantic.TypeAdapter(m.PointsSelector)
DISTANCES = {m.Distance.COSINE: edge.Distance.Cosine}
lock = threading.Lock()
collections = {}
TOLD = {"next": [], "go_on": False}


class Refused(Exception):
    def __init__(self, status, error):
        super().__init__(error)
        self.status = status


class Collection:
    def __init__(self, name, asked):
        self.asked = asked
        self.folder = os.path.join(told_at_start.folder, name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        hnsw = asked.hnsw_config or m.HnswConfigDiff()
        index = edge.HnswIndexConfig(m=16 if hnsw.m is None else hnsw.m, ef_construct=hnsw.ef_construct or 100, full_scan_threshold=10_000, payload_m=hnsw.payload_m)
        vectors = edge.EdgeVectorParams(size=asked.vectors.size, distance=DISTANCES[asked.vectors.distance])
        # Without an answer's durability: nothing here outlives its process.
        self.shard = edge.EdgeShard.create(self.folder, edge.EdgeConfig(vectors=vectors, hnsw_config=index, wal_enabled=False))
        self.operations = 0

    def update(self, operation):
        self.operations += 1
        self.shard.update(operation)
        return {"operation_id": self.operations, "status": "completed"}


def collection(name):
    if name not in collections:
        raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
    return collections[name]


def create(name, body, _):
    if name in collections:
        raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
    collections[name] = Collection(name, m.CreateCollection.model_validate_json(body))
    return True


def look(name, _body, _query):
    asked = collection(name).asked
    parts = {"params": {"vectors": json.loads(asked.vectors.model_dump_json(exclude_none=True))}}
    return {"status": "green", "points_count": collection(name).shard.info().points_count, "config": parts}


def remove(name, _body, _query):
    collection(name)
    shutil.rmtree(collections.pop(name).folder, ignore_errors=True)
    return True


def index(name, body, _):
    asked = m.CreateFieldIndex.model_validate_json(body)
    there = collection(name)
    if not isinstance(asked.field_schema, m.KeywordIndexParams):
        raise Refused(400, "only keywords are looked for here")
    params = edge.KeywordIndexParams(is_tenant=asked.field_schema.is_tenant)
    return there.update(edge.UpdateOperation.create_field_index(asked.field_name, params))


def upsert(name, body, _):
    asked = POINTS.validate_json(body)
    there = collection(name)
    for point in asked.points:
        if len(point.vector) != there.asked.vectors.size:
            raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {there.asked.vectors.size}, got {len(point.vector)}")
    return there.update(edge.UpdateOperation.upsert_points([edge.Point(point.id, point.vector, point.payload) for point in asked.points]))


def filter_of(asked):
    if asked is None:
        return None
    if asked.should or asked.must_not or asked.min_should:
        raise Refused(400, "only `must` is understood here")

    def condition(one):
        if isinstance(one, m.HasIdCondition):
            return edge.HasIdCondition(set(one.has_id))
        if isinstance(one, m.FieldCondition) and isinstance(one.match, m.MatchValue):
            return edge.FieldCondition(one.key, match=edge.MatchValue(one.match.value))
        raise Refused(400, "no such condition is understood here")

    return edge.Filter(must=[condition(one) for one in asked.must])


def query(name, body, _):
    asked = m.QueryRequest.model_validate_json(body)
    there = collection(name)
    if len(asked.query) != there.asked.vectors.size:
        raise Refused(400, f"Wrong input: Vector dimension error: expected dim: {there.asked.vectors.size}, got {len(asked.query)}")
    params = edge.SearchParams(hnsw_ef=asked.params.hnsw_ef, exact=asked.params.exact or False) if asked.params else None
    found = there.shard.query(
        edge.QueryRequest(
            limit=asked.limit or 10,
            query=edge.Query.Nearest(asked.query),
            filter=filter_of(asked.filter),
            params=params,
            with_payload=asked.with_payload or False,
        )
    )
    points = [{"id": str(one.id), "version": one.version, "score": one.score, **({"payload": one.payload} if asked.with_payload else {})} for one in found]
    m.QueryResponse.model_validate({"points": points})
    return {"points": points}


def delete(name, body, _):
    asked = SELECTOR.validate_json(body)
    there = collection(name)
    if isinstance(asked, m.PointIdsList):
        return there.update(edge.UpdateOperation.delete_points(asked.points))
    return there.update(edge.UpdateOperation.delete_points_by_filter(filter_of(asked.filter)))


def count(name, body, _):
    asked = m.CountRequest.model_validate_json(body)
    return {"count": collection(name).shard.count(edge.CountRequest(filter=filter_of(asked.filter), exact=asked.exact))}


ROUTES = [
    ("GET", r"/collections/([^/]+)", look, False),
    ("PUT", r"/collections/([^/]+)", create, False),
    ("DELETE", r"/collections/([^/]+)", remove, False),
    ("PUT", r"/collections/([^/]+)/index", index, True),
    ("PUT", r"/collections/([^/]+)/points", upsert, True),
    ("POST", r"/collections/([^/]+)/points/query", query, False),
    ("POST", r"/collections/([^/]+)/points/delete", delete, True),
    ("POST", r"/collections/([^/]+)/points/count", count, False),
]


def done(method, path, body, asked):
    for verb, pattern, act, writes in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and verb == method:
            # What is not waited for is found at some time: nobody here may ask so.
            if writes and asked.get("wait") != ["true"]:
                raise Refused(400, "whoever writes waits")
            with lock:
                return act(match.group(1), body, asked)
    raise Refused(404, "")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, answer):
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def go(self):
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if parts.path == "/_told":
            with lock:
                TOLD.update(json.loads(body))
            return self.answer(200, {})
        key = self.headers.get("api-key")
        line = {"method": self.command, "path": self.path, "bytes": len(body), "key": key}
        with lock:
            told = TOLD["next"].pop(0) if TOLD["next"] and not self.headers.get("x-test") else None
        try:
            if told_at_start.key is not None and key is None:
                raise Refused(401, "Must provide an API key or an Authorization bearer token")
            if told_at_start.key not in (None, key):
                raise Refused(403, "Invalid API key or JWT")
            if told is not None and self.odd(told, line, body):
                return None
            try:
                result = done(self.command, parts.path, body, parse_qs(parts.query))
            except pydantic.ValidationError as error:
                raise Refused(400, f"Format error in JSON body: {error.errors()[0]['loc']} {error.errors()[0]['msg']}") from error
            status, answer = 200, {"result": result, "status": "ok", "time": 0.001}
        except Refused as refused:
            status, answer = refused.status, {"status": {"error": str(refused)}, "time": 0.001}
        if told_at_start.key is not None and not self.headers.get("x-test"):
            with lock:
                print(json.dumps({**line, "status": status}), flush=True)
        return self.answer(status, answer)

    def odd(self, told, line, body):
        """Answers otherwise than it should: by a status, or by the name of a trick. Whether it is answered."""
        with lock:
            print(json.dumps({**line, "told": told}), flush=True)
        if told == "well":
            return False
        if told == "away":
            self.close_connection = True
            return True
        if told == "pause":
            while not TOLD["go_on"]:
                time.sleep(0.01)
            return False
        if told in ("lost answer", "done, silent"):
            parts = urlsplit(self.path)
            done(self.command, parts.path, body, parse_qs(parts.query))
        if told in ("silent", "done, silent"):
            time.sleep(3_600)
        if told in ("silent", "done, silent", "lost answer"):
            self.close_connection = True
            return True
        if told == "acknowledged":
            self.answer(200, {"result": {"operation_id": 1, "status": "acknowledged"}, "status": "ok", "time": 0.001})
        elif told == "page":
            self.answer(200, b"<html>")
        elif told == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b'{"result": [' + b"0," * 50_000)
            except OSError:
                self.close_connection = True
        elif isinstance(told, dict):
            self.answer(200, {"result": told, "status": "ok", "time": 0.001})
        else:
            self.answer(told, {"status": {"error": f"Service internal error: told to, {self.headers.get('api-key')}"}, "time": 0.001})
        return True

    do_GET = do_PUT = do_POST = do_DELETE = go


def end_with(owner):
    while os.path.exists(f"/proc/{owner}"):
        time.sleep(0.5)
    shutil.rmtree(told_at_start.folder, ignore_errors=True)
    os._exit(0)


if told_at_start.owner:
    threading.Thread(target=end_with, args=(told_at_start.owner,), daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
