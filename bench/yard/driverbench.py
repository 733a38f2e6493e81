"""pymongo doing the work of bench/driverbench.lua: another yardstick. `driverbench.py PORT DIRECTORY`."""
import pathlib
import sys
import time

import bson
import gridfs
import pymongo
from bson import json_util
from bson.json_util import JSONOptions

ONE, MANY, LARGE, FILE = 500, 2000, 4, 16 << 20


def measure(name, size, work):
    wall, cpu = time.monotonic(), time.process_time()
    work()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    print(f"RESULT pymongo_db_{name} wall={size / wall / 1e6:.9g} cpu={size / cpu / 1e6:.9g}", flush=True)


def main():
    if not bson.has_c():
        sys.exit("pymongo is without its part in C")
    port, directory = int(sys.argv[1]), pathlib.Path(sys.argv[2])

    def load(name):
        doc = json_util.loads((directory / (name + ".json")).read_text(), json_options=JSONOptions(document_class=dict))
        return doc, bson.BSON.encode(doc)

    for name in ("flat", "deep", "full"):
        doc, data = load(name)
        measure("encode_" + name, 2000 * len(data), lambda: [bson.BSON.encode(doc) for _ in range(2000)] and None)
        measure("decode_" + name, 2000 * len(data), lambda: [bson.BSON(data).decode() for _ in range(2000)] and None)
    client = pymongo.MongoClient("127.0.0.1", port)
    client.drop_database("driverbench_py")
    db = client.driverbench_py

    def copies(name, n):
        data = load(name)[1]
        return [bson.BSON(data).decode() for _ in range(n)], n * len(data)

    for name, n in (("small", ONE), ("large", LARGE)):
        docs, size = copies(name, n)
        measure("insert_" + name, size, lambda: [db[name].insert_one(doc) for doc in docs] and None)
    for name, n in (("small", MANY), ("large", LARGE)):
        docs, size = copies(name, n)
        measure("bulk_" + name, size, lambda: db["bulk_" + name].insert_many(docs))
    docs, size = copies("message", MANY)
    stored = db.message.insert_many(docs).inserted_ids
    measure("find_one", size * ONE // MANY, lambda: [db.message.find_one({"_id": id})["_id"] for id in stored[:ONE]] and None)
    measure("find_many", size, lambda: sum(1 for _ in db.message.find()))
    bucket, ids = gridfs.GridFSBucket(db), []
    with open(directory / "file", "rb") as source:
        measure("upload", FILE, lambda: ids.append(bucket.upload_from_stream("file", source)))
    with open("/dev/null", "wb") as sink:
        measure("download", FILE, lambda: bucket.download_to_stream(ids[0], sink))


main()
