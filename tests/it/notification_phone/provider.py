"""Twilio and Meta, as far as messages go, on one port; what happens depends on the recipient's number. What they report is signed by
Twilio's own package, and for Meta checked by pywa, before it is sent to the hook.

It prints its port, then a line of JSON for each request. `POST /_report` has it report to a hook.
"""

import base64
import hashlib
import hmac
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from pywa.utils import webhook_updates_validator
from twilio.request_validator import RequestValidator

lock = threading.Lock()
counted = {}
dropped = threading.Event()
messages = []
TEMPLATES = [
    {"name": "order_shipped", "language": "de", "status": "APPROVED", "components": [{"type": "BODY", "text": "Hallo {{1}}, {{2}} ist unterwegs."}]},
    {"name": "order_named", "language": "en_US", "status": "APPROVED", "components": [
        {"type": "HEADER", "format": "TEXT", "text": "{{1}} sale"}, {"type": "BODY", "text": "Hi {{first_name}}: {{order}}"}]},
    {"name": "order_buttons", "language": "de", "status": "APPROVED", "components": [
        {"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Schau"}, {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Ja"}, {"type": "URL", "text": "Hin", "url": "https://example.com/{{1}}"}, {"type": "COPY_CODE", "text": "Code"}]}]},
    {"name": "paused", "language": "de", "status": "PAUSED", "components": [{"type": "BODY", "text": "Hallo"}]},
    {"name": "late", "language": "de", "status": "PENDING", "components": [{"type": "BODY", "text": "Hallo"}]},
]
PAGE = 2


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


def again(key):
    """How often this was asked before."""
    with lock:
        counted[key] = counted.get(key, 0) + 1
        return counted[key] - 1


def post(url, body, headers):
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def drop(self):
        self.close_connection = True
        self.connection.close()

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        say({"path": path, "method": "GET", "query": query, "authorization": self.headers["Authorization"]})
        if path.endswith("/Messages.json"):
            with lock:
                found = [dict(one) for one in reversed(messages) if one["to"] == query["To"][0]]
            begin = int(query.get("Page", ["0"])[0])
            rest = len(found) > begin + 1
            following = path + "?" + urlencode({"To": query["To"][0], "Page": begin + 1}) if rest else None
            # One to a page, so that pages are followed.
            return self.answer(200, {"messages": found[begin:begin + 1], "next_page_uri": following, "page": begin})
        if path.startswith("/2010-04-01/Accounts/"):
            if self.headers["Authorization"] == "Basic " + WRONG:
                return self.answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
            return self.answer(200, {"sid": path.split("/")[3][:-5], "status": "active", "friendly_name": "Windrow's tests"})
        if path.endswith("/message_templates"):
            begin = int(query.get("after", ["0"])[0])
            paging = {"cursors": {"before": "x", "after": str(begin + PAGE)}}
            if begin + PAGE < len(TEMPLATES):
                paging["next"] = "https://graph.facebook.com/next"
            return self.answer(200, {"data": TEMPLATES[begin:begin + PAGE], "paging": paging})
        if self.headers["Authorization"] != "Bearer EAAG-token":
            return self.answer(401, {"error": {"message": "Error validating access token", "type": "OAuthException", "code": 190}})
        return self.answer(200, {"display_phone_number": "+1 555-078-3881", "verified_name": "Jasper's Market", "id": path.split("/")[-1]})

    def do_POST(self):
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/_report":
            return self.report(json.loads(body))
        if path == "/_drop":
            dropped.set()
            return self.answer(200, {})
        if path == "/_approve":
            for template in TEMPLATES:
                if template["name"] == "late":
                    template["status"] = "APPROVED"
            return self.answer(200, {})
        said = {"path": path, "method": "POST", "authorization": self.headers["Authorization"], "content-type": self.headers["Content-Type"]}
        if path.endswith("/Messages.json"):
            form = parse_qsl(body.decode(), keep_blank_values=True)
            say({**said, "form": sorted(form)})
            return self.twilio(dict(form), [value for name, value in form if name == "MediaUrl"])
        sent = json.loads(body)
        say({**said, "body": sent})
        return self.meta(sent)

    def twilio(self, form, media):
        to, now = form["To"], formatdate(localtime=False)
        case, before = to[-3:], again(to)
        error = lambda status, code, text, *headers: self.answer(status, {"code": code, "message": text, "more_info": "", "status": status}, headers)
        if case == "211":
            return error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if case == "610":
            return error(400, 21610, "Attempt to send to unsubscribed recipient")
        if case == "408":
            return error(403, 21408, "Permission to send an SMS has not been enabled for the region")
        if case == "401":
            return error(401, 20003, "Authenticate: " + self.headers["Authorization"])
        if case == "429" and not before:
            return error(429, 20429, "Too Many Requests", ("Retry-After", "1"))
        if case == "500" and not before:
            return self.answer(503, {"oops": "no error of Twilio's"})
        sid = f"SM{len(messages):032x}"
        message = {"sid": sid, "to": to, "body": form.get("Body", ""), "status": "queued", "direction": "outbound-api", "date_created": now,
                   "num_media": str(len(media)), "num_segments": "1", "error_code": None}
        with lock:
            messages.append({**message, "callback": form.get("StatusCallback")})
        if case == "999" and not before:
            # Taken, and nobody hears of it.
            return self.drop()
        return self.answer(201, message)

    def meta(self, sent):
        to = sent["to"]
        case, before = to[-3:], again(to)
        error = lambda status, code, text, *headers: self.answer(status, {"error": {"message": f"(#{code}) {text}", "type": "OAuthException", "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": text}, "fbtrace_id": "x"}}, headers)
        if case == "047":
            return error(400, 131047, "More than 24 hours have passed since the recipient last replied")
        if case == "190":
            return error(401, 190, "Error validating access token: " + self.headers["Authorization"])
        if case == "429" and not before:
            return error(400, 130429, "Rate limit hit", ("Retry-After", "1"))
        if case == "500" and not before:
            return error(500, 131000, "Something went wrong")
        if case == "001":
            return error(404, 132001, "Template name does not exist in the translation")
        wamid = f"wamid.{again('wamids')}"
        with lock:
            messages.append({"sid": wamid, "to": to, "ours": sent["biz_opaque_callback_data"]})
        if case == "998" and not before:
            dropped.wait()
        if case in ("998", "999") and not before:
            return self.drop()
        return self.answer(200, {"messaging_product": "whatsapp", "contacts": [{"input": to, "wa_id": to}], "messages": [{"id": wamid, "message_status": "accepted"}]})

    def report(self, asked):
        with lock:
            found = next(one for one in messages if one["to"].lstrip("+") == asked["to"].lstrip("+"))
        if asked["provider"] == "twilio":
            form = {"AccountSid": "AC" + "0" * 32, "MessageSid": found["sid"], "SmsSid": found["sid"], "MessageStatus": asked["status"], "SmsStatus": asked["status"],
                    "To": found["to"], "From": "Windrow", "ApiVersion": "2010-04-01", **asked.get("more", {})}
            signature = RequestValidator(asked["secret"]).compute_signature(found["callback"], form)
            headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
            status = post(found["callback"], urlencode(form).encode(), headers)
        else:
            value = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}}
            told = {"id": found["sid"], "status": asked["status"], "timestamp": str(asked.get("timestamp", int(time.time()))), "recipient_id": found["to"]}
            told |= asked.get("more", {})
            if not asked.get("nameless"):
                told["biz_opaque_callback_data"] = found["ours"]
            field, value = ("messages", {**value, "statuses": [told]}) if "value" not in asked else (asked["field"], asked["value"])
            body = json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [{"value": value, "field": field}]}]}).encode()
            signature = "sha256=" + hmac.new(asked["secret"].encode(), body, hashlib.sha256).hexdigest()
            assert asked["secret"] == "wrong" or webhook_updates_validator(asked["secret"], body, signature)
            status = post(asked["hook"], body, {"Content-Type": "application/json", "X-Hub-Signature-256": signature})
        return self.answer(200, {"status": status})


WRONG = base64.b64encode(sys.argv[1].encode()).decode()
server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
print(server.server_address[1], flush=True)
server.serve_forever()
