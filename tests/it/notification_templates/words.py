"""The words of an HTML document's body, one a line, as the standard library's parser reads them."""

import sys
from html.parser import HTMLParser


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.hidden = 0
        self.words = []

    def handle_starttag(self, tag, attributes):
        self.hidden += tag in ("title", "style", "script")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("title", "style", "script")

    def handle_data(self, data):
        if not self.hidden:
            self.words += data.split()


words = Words()
words.feed(open(sys.argv[1], encoding="utf-8").read())
print("\n".join(words.words))
