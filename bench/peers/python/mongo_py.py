"""pymongo doing the work of bench/mongo.lua, for bench/peers/run: `mongo_py.py PORT WORK:WIDTH:N...`."""
import sys

import pymongo
from measure import Measure, version

NOTE = "x" * 40


def account():
    return {"name": "somebody", "balance": 100.5, "level": 7, "active": True, "note": NOTE}


def operations(db, ids):
    def insert_one(_):
        ids.append(db.one.insert_one(account()).inserted_id)

    def find_one(i):
        if db.one.find_one({"_id": ids[i % 500]})["level"] != 7:
            sys.exit("another document was found")

    def find_all(_):
        found = sum(1 for _ in db.many.find(batch_size=1000))
        if found != 10000:
            sys.exit(f"{found} documents were found")

    return {
        "insert_1": insert_one,
        "insert_1000": lambda _: db.more.insert_many([account() for _ in range(1000)]),
        "find_1": find_one,
        "find_10000": find_all,
    }


def main():
    version("pymongo", pymongo.version)
    client = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]))
    client.drop_database("bench_py")
    db = client.bench_py
    works = operations(db, [])
    for i in range(500):
        works["insert_1"](i)
    for _ in range(10):
        db.many.insert_many([account() for _ in range(1000)])
    for word in sys.argv[2:]:
        name, _, n = word.split(":")
        with Measure(f"pymongo_{name}", int(n)):
            for i in range(int(n)):
                works[name](i)
    client.close()


main()
