"""What HighLevel's own SDK finds at a server that says that it is HighLevel's API."""

import asyncio
import json
import sys

from highlevel import HighLevel
from highlevel.error import GHLError

HighLevel.BASE_URL = sys.argv[1]


async def main():
    contacts = HighLevel(private_integration_token="pit-of-the-tests").contacts
    everything, body = [], {"locationId": "loc1", "pageLimit": 3}
    while page := (await contacts.search_contacts_advanced(body))["contacts"]:
        everything += [contact["id"] for contact in page]
        body["searchAfter"] = page[-1]["searchAfter"]
    changed = await contacts.upsert_contact({"locationId": "loc1", "email": "C3@example.com", "firstName": "Grace"})
    made = await contacts.upsert_contact({"locationId": "loc1", "email": "new@example.com"})
    deleted = await contacts.delete_contact(contact_id=made["contact"]["id"])
    try:
        await contacts.upsert_contact({"locationId": "loc1", "email": "no address"})
        refused = None
    except GHLError as error:
        refused = error.status_code
    print(
        json.dumps(
            {
                "all": everything,
                "changed": {"new": changed["new"], "id": changed["contact"]["id"]},
                "made": {"new": made["new"]},
                "deleted": deleted,
                "refused": refused,
            }
        )
    )


asyncio.run(main())
