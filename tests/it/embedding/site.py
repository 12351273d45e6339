"""A site to be read: the files of a folder as Python's own server gives them, and pages that mean no good.

It prints its port, then a line of JSON for each request. `/loop/N` leads on for ever, `/huge` has 100 MB, `/latin` lies about its encoding,
`/away` and `/local` lead to where nobody from outside may look, `/held/NAME` waits until the folder has a file `NAME.go`.
"""

import json
import os
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

HUGE_BYTES = 100_000_000


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def page(self, body, media_type="text/html; charset=utf-8"):
        self.send_response(200)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def lead(self, to):
        self.send_response(302)
        self.send_header("location", to)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        print(json.dumps({"path": self.path, "agent": self.headers.get("user-agent")}), flush=True)
        if self.path.startswith("/loop/"):
            number = int(self.path.removeprefix("/loop/"))
            links = f'<a href="/loop/{number}">again</a> <a href="/loop/0">first</a> <a href="/loop/{number + 1}">on</a>'
            return self.page(f"<title>Loop</title><h1>Turn {number}</h1><p>Round and round goes turn {number}.</p>{links}".encode())
        if self.path == "/huge":
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            part = b"<p>" + b"more and more " * 7_000 + b"</p>\n"
            try:
                for _ in range(HUGE_BYTES // len(part) + 1):
                    self.wfile.write(part)
            except OSError:
                pass
            return None
        if self.path == "/latin":
            return self.page("<h1>Café</h1><p>Die Bären mögen schöne Äpfel über der Straße.</p>".encode("windows-1252"))
        if self.path == "/away":
            return self.lead("http://10.11.12.13/secrets")
        if self.path == "/local":
            return self.lead("file:///etc/passwd")
        if self.path.startswith("/held/"):
            while not os.path.exists(f"{self.directory}/{self.path.removeprefix('/held/')}.go"):
                time.sleep(0.01)
            return self.page(f"<h1>Held</h1><p>It was held, and is {self.path.removeprefix('/held/')}.</p>".encode())
        return super().do_GET()


def handler(*arguments):
    return Handler(*arguments, directory=sys.argv[1])


server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()
