"""Airtable's Web API, as far as records go.

After https://airtable.com/developers/web/api/list-records, …/update-multiple-records, …/delete-multiple-records, …/errors and …/rate-limits, of
which stored copies were read on 2026-11-22. Quotes stand where they are followed. The state: `{"token": …, "tables": {"appB/tblT": [{"id",
"createdTime", "fields"}]}}`; a fault `{"status": 422, "body": {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}}}` ends an iteration.
"""

import re
import secrets

from serving import Answer, Refused

PAGE_MAX = 100  # "Each page will contain pageSize records, which is 100 by default."
BATCH_MAX = 10  # "Updates up to 10 records"
COLUMNS = {"Name", "Email", "Phone", "Active", "Tags"}


def refused(status, kind, message):
    return Refused(status, {"error": {"type": kind, "message": message}})


def full(fields):
    """ "Returned records do not include any fields with "empty" values, e.g. "", [], or false." """
    return {name: value for name, value in fields.items() if value not in ("", [], None) and value is not False}


class Provider:
    def __init__(self, state):
        self.token = state.get("token", "pat-of-the-tests")
        self.tables = state.get("tables", {})
        self.iterators = {}

    def state(self):
        return {"token": self.token, "tables": self.tables}

    def answer(self, request):
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise refused(401, "AUTHENTICATION_REQUIRED", "Authentication required")
        parts = request.path.strip("/").split("/")
        if parts[0] != "v0" or len(parts) not in (3, 4):
            raise Refused(404, {"error": "NOT_FOUND"})
        table = self.tables.get("/".join(parts[1:3]))
        if table is None:
            raise refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "Invalid permissions, or the requested model was not found.")
        match (request.method, parts[3:]):
            case ("GET", []):
                return self.page(table, {name: value for name, value in request.query})
            case ("POST", ["listRecords"]):
                return self.page(table, request.body or {})
            case ("PATCH" | "PUT" as method, []):
                return self.upsert(table, request.body or {}, method == "PUT")
            case ("DELETE", []):
                return self.delete(table, request.every("records[]"))
            case ("GET", [identity]):
                return Answer(body=self.shown(self.found(table, identity)))
            case ("DELETE", [identity]):
                return Answer(body=self.delete(table, [identity]).body["records"][0])
        raise Refused(404, {"error": "NOT_FOUND"})

    def page(self, table, asked):
        size = int(asked.get("pageSize", PAGE_MAX))
        if not 1 <= size <= PAGE_MAX:
            raise refused(422, "INVALID_PAGE_SIZE", "pageSize must be between 1 and 100")
        if "offset" in asked:
            # "If there are more records, the response will contain an offset. … include offset in the next request's parameters."
            iterator, _, _ = asked["offset"].partition("/")
            if asked["offset"] not in self.iterators:
                raise refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", f"The iterator {iterator} is gone")
            rest = self.iterators[asked["offset"]]
        else:
            # The order is that of the first request, whatever happens meanwhile.
            iterator = "itr" + secrets.token_hex(7)
            rest = [record["id"] for record in table if matches(record["fields"], asked.get("filterByFormula"))]
            if "maxRecords" in asked:
                rest = rest[: int(asked["maxRecords"])]
        page, rest = rest[:size], rest[size:]
        by_id = {record["id"]: record for record in table}
        body = {"records": [self.shown(by_id[identity]) for identity in page if identity in by_id]}
        if rest:
            body["offset"] = f"{iterator}/{rest[0]}"
            self.iterators[body["offset"]] = rest
        return Answer(body=body)

    def upsert(self, table, asked, replaces):
        records = asked.get("records")
        if not isinstance(records, list) or not 1 <= len(records) <= BATCH_MAX:
            raise refused(422, "INVALID_RECORDS", "You must provide an array of up to 10 record objects")
        merged_on = (asked.get("performUpsert") or {}).get("fieldsToMergeOn")
        if merged_on is not None and not 1 <= len(merged_on) <= 3:
            raise refused(422, "INVALID_REQUEST", "fieldsToMergeOn has one to three names")
        for name in {name for record in records for name in record.get("fields", {})} - COLUMNS:
            raise refused(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
        # All or nothing: first it is found what each means.
        meant = [self.meant(table, record, merged_on) for record in records]
        told, created, updated = [], [], []
        for record, standing in zip(records, meant):
            if standing is None:
                standing = {"id": "rec" + secrets.token_hex(7), "createdTime": "2026-11-22T06:00:00.000Z", "fields": {}}
                table.append(standing)
                created.append(standing["id"])
            else:
                updated.append(standing["id"])
            # "A PATCH request will only update the fields included in the request." "A PUT request will … clear all unincluded cell values."
            standing["fields"] = full((({} if replaces else standing["fields"]) | record.get("fields", {})))
            told.append(self.shown(standing))
        # In what order they come is said nowhere.
        told.reverse()
        body = {"records": told}
        if merged_on is not None:
            # "The API response for upsert requests will additionally include updatedRecords and createdRecords arrays"
            body |= {"updatedRecords": updated, "createdRecords": created}
        return Answer(body=body)

    def meant(self, table, record, merged_on):
        if "id" in record:
            # "Records that include id will ignore fieldsToMergeOn … If no record with the given id exists, the request will fail"
            return self.found(table, record["id"])
        if merged_on is None:
            raise refused(422, "INVALID_RECORDS", "Each record must have an id")
        fields = record.get("fields", {})
        if any(name not in fields for name in merged_on):
            raise refused(422, "INVALID_VALUE_FOR_COLUMN", "A field of fieldsToMergeOn is missing")
        same = [standing for standing in table if all(standing["fields"].get(name) == fields[name] for name in merged_on)]
        if len(same) > 1:
            # "If multiple matches are found, the request will fail."
            raise refused(422, "INVALID_REQUEST_UNKNOWN", "More than one record matched: " + ", ".join(one["id"] for one in same))
        return same[0] if same else None

    def delete(self, table, identities):
        if not 1 <= len(identities) <= BATCH_MAX:  # "Up to 10 recordIds can be provided."
            raise refused(422, "INVALID_RECORDS", "You must provide up to 10 record ids")
        for record in [self.found(table, identity) for identity in identities]:
            table.remove(record)
        return Answer(body={"records": [{"deleted": True, "id": identity} for identity in identities]})

    def found(self, table, identity):
        for record in table:
            if record["id"] == identity:
                return record
        raise Refused(404, {"error": "NOT_FOUND"})

    def shown(self, record):
        return record | {"fields": full(record["fields"])}


def matches(fields, formula):
    """The one formula that tests use: `{Field}='value'`, as pyairtable writes it, quotes with a backslash."""
    if not formula:
        return True
    read = re.fullmatch(r"\{([^}]+)\}=(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")", formula)
    if not read:
        raise refused(422, "INVALID_FILTER_BY_FORMULA", f"The formula for filtering records is invalid: {formula}")
    wanted = re.sub(r"\\(.)", r"\1", read[2] if read[2] is not None else read[3])
    return str(fields.get(read[1], "")) == wanted
