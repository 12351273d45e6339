"""The first fires of expressions by cronsim: one JSON object a line in, one list of seconds since 1970 a line out.

The first line of the answer names the versions.
"""

import json
import sys
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from zoneinfo import TZPATH, ZoneInfo

import tzdata
from cronsim import CronSim, CronSimError

# The system's database would be read before the one that is pinned.
assert TZPATH == (), "PYTHONTZPATH must be set and empty"
print(json.dumps({"cronsim": version("cronsim"), "tzdata": tzdata.IANA_VERSION}))
with open(sys.argv[1]) as samples:
    for line in samples:
        sample = json.loads(line)
        start = datetime.fromtimestamp(sample["start_s"], ZoneInfo(sample["zone"]))
        try:
            fires = [int(fire.timestamp()) for fire in islice(CronSim(sample["cron"], start), sample["count"])]
        except CronSimError:
            fires = []
        print(json.dumps(fires))
