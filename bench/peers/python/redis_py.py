"""redis-py with hiredis' parser, as its manual says, for bench/peers/run: `redis_py.py PORT WORK:WIDTH:N...`. What one
thread does one after the other goes through redis.Redis; what WIDTH tasks do at once through redis.asyncio.Redis, whose
pool has a connection for each."""
import asyncio
import sys

import redis
import redis.asyncio
from measure import Measure, version

KEYS = [f"k:{i}" for i in range(1, 101)]
VALUE = b"x" * 64


def expect(got):
    if got != VALUE:
        sys.exit(f"a reply is {got}")


def one_by_one(port):
    db = redis.Redis(port=port)

    def get(i):
        expect(db.get(KEYS[i % 100]))

    def pipeline(_):
        commands = db.pipeline(transaction=False)
        for key in KEYS:
            commands.get(key)
        for got in commands.execute():
            expect(got)

    return {"get_1": get, "pipeline_100": pipeline}


def run(operation, n):
    for i in range(n):
        operation(i)


async def at_once(port, name, width, n):
    async with redis.asyncio.Redis(port=port, max_connections=width) as db:
        async def get(i):
            expect(await db.get(KEYS[i % 100]))

        async def set_(i):
            await db.set(KEYS[i % 100], VALUE)

        operation = {"get_128": get, "set_128": set_}[name]

        async def task(each):
            for i in range(each):
                await operation(i)

        async def together(each):
            await asyncio.gather(*(task(each) for _ in range(width)))

        each = max(1, n // width)
        await together(max(1, each // 10))
        with Measure(f"redis_py_{name}", each * width):
            await together(each)


def main():
    port = int(sys.argv[1])
    version("redis_py", redis.__version__)
    single = one_by_one(port)
    db = redis.Redis(port=port)
    for key in KEYS:
        db.set(key, VALUE)
    for word in sys.argv[2:]:
        name, width, n = word.split(":")
        if name in single:
            run(single[name], max(1, int(n) // 10))
            with Measure(f"redis_py_{name}", int(n)):
                run(single[name], int(n))
        else:
            asyncio.run(at_once(port, name, int(width), int(n)))


main()
