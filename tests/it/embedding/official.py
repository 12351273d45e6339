"""What OpenAI's own package asks for, and what it makes of the answers: the calls of `official.rs`, as it makes them by our client."""

import json
import sys

import openai

url, key, calls = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
client = openai.OpenAI(base_url=url, api_key=key, max_retries=0)
results = []
for call in calls:
    told = client.embeddings.create(**call)
    vectors = [None] * len(told.data)
    for one in told.data:
        vectors[one.index] = one.embedding
    results.append({"vectors": vectors, "tokens": told.usage.total_tokens})


def refused(trick):
    """What the package makes of an answer: this is how it would look to somebody who uses it."""
    import urllib.request

    told = json.dumps({"next": [trick]}).encode()
    url_told = url.removesuffix("/v1") + "/_told"
    urllib.request.urlopen(urllib.request.Request(url_told, told, {"Content-Type": "application/json"}, method="POST")).read()
    try:
        client.embeddings.create(model="m", input=["refused"])
    except openai.APIStatusError as error:
        return [type(error).__name__, error.code]
    return None


print(json.dumps({"results": results, "refused": {str(trick): refused(trick) for trick in ("rate", "unpaid", 401, 400, 503)}}))
