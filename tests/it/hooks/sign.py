"""Signs and verifies calls of hooks by the providers' official packages: `standardwebhooks` and `twilio` from PyPI.

Takes a JSON array of what is asked as its argument and prints an array of answers.
"""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twilio.request_validator import RequestValidator


def answer(asked):
    scheme, secret = asked["scheme"], asked["secret"]
    if scheme == "standard_webhooks" and "headers" in asked:
        try:
            Webhook(secret).verify(asked["body"], asked["headers"])
            return True
        except WebhookVerificationError:
            return False
    if scheme == "standard_webhooks":
        at = datetime.fromtimestamp(asked["at"], tz=timezone.utc)
        return Webhook(secret).sign(asked["id"], at, asked["body"])
    validator = RequestValidator(secret)
    if "form" in asked:
        return {"url": asked["url"], "signature": validator.compute_signature(asked["url"], asked["form"])}
    url = f"{asked['url']}?bodySHA256={validator.compute_hash(asked['body'])}"
    return {"url": url, "signature": validator.compute_signature(url, {})}


print(json.dumps([answer(asked) for asked in json.loads(sys.argv[1])]))
