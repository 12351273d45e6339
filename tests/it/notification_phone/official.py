"""What official and well-known clients send for the same messages: `twilio` (Twilio's own) and `pywa`, captured before the network.

Prints one object: for each message by name the method, the URL, the interesting headers and the body.
"""

import json
import sys
from urllib.parse import parse_qsl

import httpx
import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

import pywa
from pywa import errors
from pywa.types.templates import BodyText, CopyCodeButton, HeaderImage, HeaderText, QuickReplyButton, TemplateLanguage, URLButton

account, token, number, to = sys.argv[1:5]
captured = {}


class Capture(TwilioHttpClient):
    name = ""

    def request(self, method, url, params=None, data=None, headers=None, auth=None, timeout=None, allow_redirects=False):
        prepared = requests.Request(method.upper(), url, params=params, data=data, headers=headers, auth=auth).prepare()
        captured[Capture.name] = {
            "method": prepared.method,
            "path": prepared.path_url,
            "authorization": prepared.headers["Authorization"],
            "content-type": prepared.headers.get("Content-Type"),
            "form": sorted(parse_qsl(prepared.body or "", keep_blank_values=True)),
        }
        message = {"sid": "SM" + "0" * 32, "status": "queued", "account_sid": account, "messages": []}
        return Response(200 if method.upper() == "GET" else 201, json.dumps(message))


client = Client(account, token, http_client=Capture())
Capture.name = "sms"
client.messages.create(to=to, from_="Windrow", body="Grüße & mehr: 5 € + 1 = ?", status_callback="http://hook.example/v1/hooks/x?delivery=j.send", validity_period=60)
Capture.name = "mms"
client.messages.create(to=to, messaging_service_sid="MG" + "0" * 32, media_url=["https://example.com/a.png?b=c&d=e", "https://example.com/f.jpg"])
Capture.name = "account"
client.api.accounts(account).fetch()
key = Client("SK" + "1" * 32, "key-secret", account, http_client=Capture())
Capture.name = "by_key"
key.messages.create(to=to, from_="+15005550006", body="by key")


def answer(request):
    captured[answer.name] = {
        "method": request.method,
        "path": request.url.path,
        "authorization": request.headers["authorization"],
        "body": json.loads(request.content or b"{}"),
    }
    return httpx.Response(200, json={"messaging_product": "whatsapp", "contacts": [{"input": to, "wa_id": to}], "messages": [{"id": "wamid.x"}]})


session = httpx.Client(transport=httpx.MockTransport(answer))
whatsapp = pywa.WhatsApp(phone_id=number, token="EAAG-token", session=session, api_version="23.0")
digits = to.lstrip("+")
answer.name = "text"
whatsapp.send_message(digits, "Grüße 👋 https://example.com", preview_url=True, tracker="j.send")
answer.name = "image"
whatsapp.send_image(digits, "https://example.com/a.png", caption="Ein Bild", tracker="j.send")
answer.name = "document"
whatsapp.send_document(digits, "https://example.com/a.pdf", filename="a.pdf", caption="Ein Text", tracker="j.send")
answer.name = "positional"
whatsapp.send_template(digits, "order_shipped", TemplateLanguage.GERMAN, [BodyText.params("Anna", "4711")], tracker="j.send")
answer.name = "named"
whatsapp.send_template(digits, "order_named", TemplateLanguage.ENGLISH_US, [HeaderText.params("Spring"), BodyText.params(first_name="Anna", order="4711")], tracker="j.send")
answer.name = "buttons"
whatsapp.send_template(
    digits,
    "order_buttons",
    TemplateLanguage.GERMAN,
    [
        HeaderImage.params(image="https://example.com/a.png"),
        QuickReplyButton.params(callback_data="yes", index=0),
        URLButton.params(url_variable="4711", index=1),
        CopyCodeButton.params(coupon_code="SPRING", index=2),
    ],
    tracker="j.send",
)

captured["codes"] = {}
pending = [errors.WhatsAppError]
while pending:
    kind = pending.pop()
    pending.extend(kind.__subclasses__())
    captured["codes"][kind.__name__] = {
        "codes": list(kind.__error_codes__ or []),
        "families": [base.__name__ for base in kind.__mro__[1:-2]],
    }
print(json.dumps(captured))
