"""Opens what Windrow sealed by libsodium, which we did not write: the tenant's key, then the secrets of a connection.

Arguments: the file of the master key, the SQLite file, a tenant, a connection's name. Prints the secrets as JSON.
The format is that of docs/connections.md; what is sealed must not open in another's place.
"""

import hashlib
import hmac
import json
import pathlib
import sqlite3
import sys
import uuid

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt
from nacl.exceptions import CryptoError

NONCE_BYTES = 24


def opened(sealed, place, key):
    if sealed[0] != 1:
        raise SystemExit(f"format {sealed[0]} is not known")
    nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    return decrypt(rest, place.encode(), nonce, key)


def stays_shut(sealed, place, key):
    try:
        opened(sealed, place, key)
    except CryptoError:
        return
    raise SystemExit(f"it opens as {place!r}")


def main():
    master_file, database, tenant, name = sys.argv[1:]
    master = pathlib.Path(master_file).read_text().strip().encode()
    ledger = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    key_id, wrapped, master_id = ledger.execute("SELECT id, wrapped, master FROM tenant_keys WHERE tenant = ?", [tenant]).fetchone()
    derived = lambda purpose: hmac.new(master, purpose, hashlib.sha256).digest()
    if derived(b"windrow master key id v1\n")[:8].hex() != master_id:
        raise SystemExit("another master key wraps it")
    key_id = str(uuid.UUID(bytes=key_id))
    wrapping = derived(b"windrow tenant key wrapping v1\n")
    key = opened(wrapped, f"windrow tenant key v1\n{tenant}\n{key_id}", wrapping)
    stays_shut(wrapped, f"windrow tenant key v1\nother\n{key_id}", wrapping)
    connection, sealed, sealed_by = ledger.execute(
        "SELECT id, sealed, sealed_by FROM connections WHERE tenant = ? AND name = ?", [tenant, name]
    ).fetchone()
    if str(uuid.UUID(bytes=sealed_by)) != key_id:
        raise SystemExit("another key sealed it")
    connection = str(uuid.UUID(bytes=connection))
    text = opened(sealed, f"windrow connection secrets v1\n{tenant}\n{connection}", key)
    stays_shut(sealed, f"windrow connection secrets v1\nother\n{connection}", key)
    stays_shut(sealed, f"windrow connection secrets v1\n{tenant}\n{uuid.uuid4()}", key)
    print(json.dumps(json.loads(text), sort_keys=True))


main()
