"""The Apple Push Notification service as far as we know it, over TLS and HTTP/2 (hyper-h2, by ALPN), known by an authority of its own.

Provider tokens are verified by PyJWT: ES256, `kid`, `iss`, and an `iat` of at most an hour ago. As at Apple's, a connection has one stream
until a valid token has come, and is good for one team. What is answered depends on the first two digits of the device token. After
"Sending notification requests to APNs" and "Handling notification responses from APNs" (https://developer.apple.com/documentation/usernotifications);
what was read of them is said in jobs/src/kinds/notification_push/apple.rs and apple/answer.rs. The push types `widgets` and `controls`, and
which reason comes with which status, were not checked against them.

It writes `ca.pem`, `key.p8` and `other.p8` into its folder, prints its port, then a line of JSON for each request.
"""

import asyncio
import datetime
import ipaddress
import json
import ssl
import time
import uuid
from collections import Counter

import h2.config
import h2.connection
import h2.events
import h2.settings
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TEAM, KEY_ID, TOPIC = "TEAM567890", "KEY4567890", "com.example.app"
PEM = serialization.Encoding.PEM
asked, ended = Counter(), set()
# Device tokens begin like this: the status and reason each time, or (with True) the first time only.
ANSWERS = {
    "ba": (410, "Unregistered", False),
    "bb": (400, "DeviceTokenNotForTopic", False),
    "bc": (429, "TooManyRequests", True),
    "bd": (500, "InternalServerError", True),
    "be": (503, "ServiceUnavailable", True),
    "bf": (413, "PayloadTooLarge", False),
    "00": (400, "BadDeviceToken", False),
}
PUSH_TYPES = {"alert", "background", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity", "pushtotalk", "widgets", "controls"}


def private(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def certificate(name, issuer, key, signer, authority):
    at = datetime.datetime.now(datetime.timezone.utc)
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(at - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(at + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(PEM)


ca_key, own_key, signing = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
open("ca.pem", "wb").write(certificate("test authority", "test authority", ca_key, ca_key, True))
open("own.pem", "wb").write(certificate("apns", "test authority", own_key, ca_key, False) + private(own_key))
open("key.p8", "wb").write(private(signing))
open("other.p8", "wb").write(private(ec.generate_private_key(ec.SECP256R1())))


def refused(token):
    """Why a provider token is no good, if it is not."""
    if not token:
        return "MissingProviderToken"
    try:
        head = jwt.get_unverified_header(token)
        claims = jwt.decode(token, signing.public_key(), algorithms=["ES256"], issuer=TEAM, options={"require": ["iss", "iat"]})
    except jwt.InvalidTokenError:
        return "InvalidProviderToken"
    if head["kid"] != KEY_ID:
        return "InvalidProviderToken"
    return "ExpiredProviderToken" if token in ended or time.time() - claims["iat"] > 3600 else None


def wrong(method, path, headers, body):
    """What Apple does not allow of a request, as we know it, if anything."""
    prefix, device = path.rsplit("/", 1)
    if method != "POST":
        return 405, "MethodNotAllowed"
    if prefix != "/3/device":
        return 404, "BadPath"
    if headers.get("apns-topic") != TOPIC:
        return 400, "TopicDisallowed"
    if headers.get("apns-push-type") not in PUSH_TYPES:
        return 400, "InvalidPushType"
    if headers.get("apns-priority", "10") not in ("10", "5", "1") or (headers["apns-push-type"] == "background" and headers.get("apns-priority") != "5"):
        return 400, "BadPriority"
    if len(headers.get("apns-collapse-id", "")) > 64:
        return 400, "BadCollapseId"
    try:
        assert str(uuid.UUID(headers["apns-id"])) == headers["apns-id"]
    except (AssertionError, KeyError, ValueError):
        return 400, "BadMessageId"
    if len(body) > 4096:
        return 413, "PayloadTooLarge"
    if not isinstance(json.loads(body).get("aps"), dict):
        return 400, "PayloadEmpty"
    return None


class Connection(asyncio.Protocol):
    count = 0

    def connection_made(self, transport):
        self.transport, self.streams, self.team, self.most = transport, {}, None, 0
        Connection.count += 1
        self.number = Connection.count
        self.protocol = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        # In force once it is acknowledged: what was on its way until then counts.
        self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        self.flush()

    def flush(self):
        self.transport.write(self.h2.data_to_send())

    def data_received(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.streams[event.stream_id] = (dict(event.headers), b"")
                self.most = max(self.most, len(self.streams))
            elif isinstance(event, h2.events.DataReceived):
                headers, body = self.streams[event.stream_id]
                self.streams[event.stream_id] = (headers, body + event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                # A moment, so that streams overlap.
                asyncio.get_running_loop().call_later(0.005, self.ended, event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.streams.pop(event.stream_id, None)
        self.flush()

    def ended(self, stream):
        if self.transport.is_closing() or stream not in self.streams:
            return
        headers, body = self.streams.pop(stream)
        path, token = headers[":path"], headers.get("authorization", "").removeprefix("bearer ")
        device = path.rsplit("/", 1)[1]
        asked[device] += 1
        first = asked[device] == 1
        reason = refused(token)
        if device.startswith("ca") and first and not reason:
            # More than an hour old, by Apple's clock.
            ended.add(token)
            reason = "ExpiredProviderToken"
        at = None
        if reason:
            status = 403
        elif found := wrong(headers[":method"], path, headers, body):
            status, reason = found
        else:
            if self.team is None:
                self.team = token
                self.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100})
            status, reason, once = ANSWERS.get(device[:2], (200, None, False))
            if once and not first:
                status, reason = 200, None
        line = {"device": device, "status": status, "reason": reason, "headers": headers, "connection": self.number, "alpn": self.protocol,
                "streams": self.most, "body": json.loads(body), "token": token}
        if device.startswith("cb") and first:
            # Not looked at, as whoever sends GOAWAY with a smaller stream says (RFC 9113, 6.8).
            print(json.dumps({**line, "status": None, "reason": "GOAWAY"}), flush=True)
            self.h2.close_connection(error_code=0, additional_data=b'{"reason":"Shutdown"}', last_stream_id=max(stream - 2, 0))
            self.flush()
            self.transport.close()
            return
        print(json.dumps(line), flush=True)
        answer = {"reason": reason}
        if status == 410:
            answer["timestamp"] = 1767225600000
        head = [(":status", str(status)), ("apns-id", headers.get("apns-id", str(uuid.uuid4())))]
        if status in (429, 503):
            head.append(("retry-after", "1"))
        self.h2.send_headers(stream, head, end_stream=status == 200)
        if status != 200:
            self.h2.send_data(stream, json.dumps(answer).encode(), end_stream=True)
        self.flush()


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain("own.pem")
    context.set_alpn_protocols(["h2"])
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
