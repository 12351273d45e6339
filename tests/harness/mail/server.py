"""A mail server that others wrote (aiosmtpd), which does as it is told, and what arrived as Python's `email` package reads it.

Its first line of output is its port and that of its control: a line of JSON asks, a line of JSON answers.

  {"script": [{"at": "RCPT", "do": "451 4.2.0 later", "times": 1, "to": "ana@example.com"}]}
      what it does instead the next times: an answer, "stall", "drop", or at "message" "take, then stall" and "take, then drop".
      Places: connect, EHLO, AUTH, MAIL, RCPT, DATA, message (after the dot), NOOP.
  {"messages": true}   every message that was taken, read and taken apart
  {"taken": true}      how often it took which message: a list of [Windrow-Effect, Message-ID, how often]
  {"counts": true}     connections: open, most open at once, in all; and whatever was said
  {"delay_ms": 20}     how long it thinks before it says that it has taken a message
"""

import asyncio
import base64
import collections
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

SETTINGS = json.loads(sys.argv[1])


class Post:
    """What it was told, and what it saw."""

    def __init__(self):
        self.script, self.messages, self.said = [], [], collections.Counter()
        self.open, self.most, self.all, self.delay_ms = 0, 0, 0, 0
        self.taken = collections.Counter()

    def told(self, place, recipient=None):
        for order in self.script:
            if order["at"] == place and order.get("times", 1) > 0 and order.get("to") in (None, recipient):
                order["times"] = order.get("times", 1) - 1
                return order["do"]
        return None

    def answer(self, asked):
        if "script" in asked:
            self.script = asked["script"]
        if "delay_ms" in asked:
            self.delay_ms = asked["delay_ms"]
        if "messages" in asked:
            return [legible(read(*message)) for message in self.messages]
        if "taken" in asked:
            return [[effect, message_id, times] for (effect, message_id), times in self.taken.items()]
        return {"open": self.open, "most": self.most, "all": self.all, "said": dict(self.said), "taken": sum(self.taken.values())}


POST = Post()


def read(sender, recipients, options, content):
    """A message as Python's `email` package reads it."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    addresses = lambda name: [[one.display_name, one.addr_spec] for header in message.get_all(name, []) for one in header.addresses]
    parts = []
    for part in message.walk():
        kind = part.get_content_type()
        one = {"type": kind, "disposition": part.get_content_disposition(), "filename": part.get_filename(), "id": part["Content-ID"]}
        if not part.is_multipart():
            body = part.get_payload(decode=True)
            if kind.startswith("text/") and one["disposition"] is None:
                # All line ends are CRLF, as `bare` says.
                one["text"] = part.get_content().replace("\r\n", "\n")
            else:
                one["content"] = body.decode("latin-1")
            one["encoding"] = part["Content-Transfer-Encoding"]
        parts.append(one)
    lines = content.split(b"\r\n")
    return {
        "sender": sender,
        "recipients": recipients,
        "options": options,
        "headers": [[name, str(value)] for name, value in message.items()],
        "from": addresses("From"),
        "to": addresses("To"),
        "cc": addresses("Cc"),
        "reply_to": addresses("Reply-To"),
        "subject": message["Subject"],
        "message_id": message["Message-ID"],
        "date": message["Date"].datetime.isoformat() if message["Date"] else None,
        "parts": parts,
        "defects": [repr(defect) for part in message.walk() for defect in part.defects]
        + [f"{name}: {defect!r}" for name, value in message.items() for defect in getattr(value, "defects", ())],
        "ascii": content.isascii(),
        "longest": max(map(len, lines)),
        "bare": b"\n" in content.replace(b"\r\n", b"") or b"\r" in content.replace(b"\r\n", b""),
        "raw": base64.b64encode(content).decode(),
    }


def legible(value):
    """Without what stands for bytes that are no ASCII in a header: UTF-8, as SMTPUTF8 has it."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, list):
        return [legible(one) for one in value]
    return {name: legible(one) for name, one in value.items()} if isinstance(value, dict) else value


class Scripted(SMTP):
    """The same server, but for what it was told."""

    async def told(self, place, recipient=None):
        order = POST.told(place, recipient)
        if order is None:
            return False
        if order == "drop":
            self.transport.abort()
        if order in ("stall", "drop"):
            await self.hang()
        await self.push(order)
        if order.startswith("421") or place == "connect":
            self.transport.close()
        return True

    async def hang(self):
        """Until the other side leaves, which cancels this."""
        try:
            await asyncio.sleep(3_600)
        finally:
            if self.transport is not None:
                self.transport.close()

    def connection_made(self, transport):
        if self._original_transport is None:
            POST.open, POST.all = POST.open + 1, POST.all + 1
            POST.most = max(POST.most, POST.open)
        super().connection_made(transport)

    def connection_lost(self, error):
        POST.open -= 1
        super().connection_lost(error)

    async def _handle_client(self):
        if not await self.told("connect"):
            await super()._handle_client()

    async def smtp_EHLO(self, hostname):
        POST.said[f"EHLO {hostname}"] += 1
        if not await self.told("EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg):
        if not await self.told("AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        if not await self.told("MAIL"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        recipient = arg.partition("<")[2].partition(">")[0]
        if not await self.told("RCPT", recipient):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        if not await self.told("DATA"):
            await super().smtp_DATA(arg)

    async def smtp_NOOP(self, arg):
        POST.said["NOOP"] += 1
        if not await self.told("NOOP"):
            await super().smtp_NOOP(arg)

    async def smtp_RSET(self, arg):
        POST.said["RSET"] += 1
        await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg):
        POST.said["QUIT"] += 1
        await super().smtp_QUIT(arg)


class Handler:
    """Takes messages."""

    async def handle_DATA(self, server, session, envelope):
        order = POST.told("message")
        if order is None or order.startswith("take"):
            content = envelope.content
            message = email.message_from_bytes(content[: content.find(b"\r\n\r\n") + 4], policy=email.policy.compat32)
            POST.taken[(message["Windrow-Effect"], message["Message-ID"])] += 1
            if not SETTINGS.get("forgets"):
                POST.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.mail_options, content))
            if POST.delay_ms:
                await asyncio.sleep(POST.delay_ms / 1_000)
        if order is None:
            return "250 2.0.0 Ok: queued as " + str(sum(POST.taken.values()))
        if order.endswith("drop"):
            server.transport.abort()
        if order.endswith(("stall", "drop")):
            await server.hang()
        return order


def authenticate(server, session, envelope, mechanism, data):
    POST.said[f"AUTH {mechanism}"] += 1
    login = (SETTINGS["user"].encode(), SETTINGS["password"].encode())
    if isinstance(data, LoginPassword) and (data.login, data.password) == login:
        return AuthResult(success=True)
    # As hostile as a server can be: it repeats what it was sent.
    message = "535 5.7.8 not with " + data.password.decode(errors="replace")
    return AuthResult(success=False, handled=False, message=message)


async def control(reader, writer):
    while line := await reader.readline():
        writer.write(json.dumps(POST.answer(json.loads(line))).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main():
    tls, context = SETTINGS["tls"], None
    if tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(SETTINGS["certificate"], SETTINGS["key"])
    options = {"enable_SMTPUTF8": SETTINGS.get("smtputf8", True), "data_size_limit": 33_554_432, "hostname": "mail.test", "ident": "ready"}
    if SETTINGS.get("user"):
        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": tls == "starttls"}
    if tls == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()
    make = lambda: Scripted(Handler(), loop=loop, **options)
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=context if tls == "implicit" else None)
    asked = await asyncio.start_server(control, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], asked.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
