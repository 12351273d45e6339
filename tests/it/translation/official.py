"""What DeepL's own package asks for, and what it makes of the answers: the calls of `CALLS`, as `official.rs` makes them by jobs."""

import json
import sys

import deepl

url, key, calls = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
translator = deepl.Translator(key, server_url=url, send_platform_info=False)
deepl.http_client.max_network_retries = 0
results = []
for call in calls:
    arguments = dict(call)
    terms = arguments.pop("terms", None)
    if terms is not None:
        arguments["glossary"] = translator.create_glossary("by the package", arguments["source_lang"], arguments["target_lang"], terms)
    told = translator.translate_text(**arguments)
    results.append([[one.text, one.detected_source_lang, one.billed_characters] for one in told])
usage = translator.get_usage()
results.append([usage.character.count, usage.character.limit])


def refused(status):
    """What the package makes of a status: this is how it would look to somebody who uses it."""
    import urllib.request

    told = json.dumps({"next": [status]}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/_told", told, {"Content-Type": "application/json"}, method="POST")).read()
    try:
        translator.translate_text(["refused"], target_lang="DE")
    except deepl.DeepLException as error:
        return type(error).__name__
    return None


named = {status: refused(status) for status in (403, 456, 429, 400)}
print(json.dumps({"results": results, "refused": named}))
