"""The plain job: reads all packs, keeps each record once, and writes one pack that its SHA-256 names.

It checks no record against its ID, and all of it is in memory at once.
"""

import hashlib
import os
import sys

import msgpack

IDS = {"commits": "commit_id", "snapshots": "snapshot_id", "objects": "object_id", "tags": "tag_id"}

packs, out = sys.argv[1:]
kept = {section: {} for section in IDS}
heads = {}
for name in sorted(os.listdir(packs)):
    with open(os.path.join(packs, name), "rb") as file:
        pack = msgpack.unpackb(file.read())
    for section, key in IDS.items():
        for record in pack.get(section) or []:
            kept[section].setdefault(record[key], record)
    heads.update(pack.get("branch_heads") or {})
sections = {section: [records[key] for key in sorted(records)] for section, records in kept.items()}
whole = msgpack.packb({**sections, "branch_heads": heads})
with open(os.path.join(out, hashlib.sha256(whole).hexdigest() + ".mpack"), "wb") as file:
    file.write(whole)
    file.flush()
    os.fsync(file.fileno())
