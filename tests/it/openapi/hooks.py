"""What the document leaves to each kind, and how a batch is written as lines, for Schemathesis."""

import json

import schemathesis

# The document takes any JSON for a payload, as each kind has its own. With those of one kind, jobs that are made up are also accepted and
# run, and what is asked about them afterwards has something to tell. No field of `echo` is here that would take the server down.
ECHO = {
    "kind": {"type": "string", "enum": ["echo"]},
    "queue": {"type": ["string", "null"], "enum": ["default", "builds", "syncs", None]},
    "payload": {
        "type": "object",
        "properties": {
            "message": {"type": "string", "maxLength": 100},
            "log_lines": {"type": "integer", "minimum": 0, "maximum": 5},
            "fail_times": {"type": "integer", "minimum": 0, "maximum": 3},
        },
        "additionalProperties": False,
    },
}

# Any text may be an expression or a zone to the document. None of these fires while the suite runs.
WHEN = {
    "cron": {"type": "string", "enum": ["@monthly", "30 2 1 1 *", "0 8 29 FEB MON-FRI", "@every 9h"]},
    "time_zone": {"type": "string", "enum": ["UTC", "Europe/Berlin", "America/New_York"]},
}
OR_NULL = {"time_zone": {"type": ["string", "null"], "enum": [*WHEN["time_zone"]["enum"], None]}}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    for name in ("Submission", "JobTemplate", "JobTemplatePatch"):
        schemas[name]["properties"].update(ECHO)
    for name in ("ScheduleDefinition", "PreviewRequest"):
        schemas[name]["properties"].update(WHEN)
    schemas["SchedulePatch"]["properties"].update({**WHEN, **OR_NULL})
    batch = raw_schema["paths"]["/v1/jobs/batch"]["post"]["requestBody"]["content"]
    # Their items are made up like those of an array, and written a line each below.
    batch["application/x-ndjson"] = {"schema": batch["application/json"]["schema"]}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    items = value if isinstance(value, list) else [value]
    return {"data": "\n".join(json.dumps(item) for item in items).encode()}


@schemathesis.deserializer("image/png")
def png(context, response):
    return "image" if response.content.startswith(b"\x89PNG") else None
