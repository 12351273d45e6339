"""What pyairtable finds at a server that says that it is Airtable."""

import json
import sys

import requests
from pyairtable import Api
from pyairtable.formulas import match

table = Api("pat-of-the-tests", endpoint_url=sys.argv[1]).table("appB", "tblT")
everything = table.all()
changed = [{"fields": {"Name": f"Name {number}", "Active": True}} for number in range(20, 30)]
made = [{"fields": {"Name": f"New {number}"}} for number in range(2)]
upserted = table.batch_upsert(changed + made, key_fields=["Name"])
try:
    table.batch_upsert([{"fields": {"Email": "1@example.com", "Name": "which?"}}], key_fields=["Email"])
    several = None
except requests.HTTPError as error:
    several = str(error)
deleted = table.batch_delete([record["id"] for record in everything[100:112]])
print(
    json.dumps(
        {
            "all": len(everything),
            "second": everything[1]["fields"],
            "of_one_email": [record["id"] for record in table.all(formula=match({"Email": "1@example.com"}))],
            "upserted": [len(upserted["updatedRecords"]), len(upserted["createdRecords"])],
            "several": several,
            "deleted": len(deleted),
            "left": len(table.all()),
        }
    )
)
