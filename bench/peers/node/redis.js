// ioredis as its manual says, for bench/peers/run: `redis.js PORT [auto] WORK:WIDTH:N...`, with auto: enableAutoPipelining.
// Each work is done N times, by WIDTH async functions at once, and its CPU time, user and system of this process, is
// printed as bench/lib/bench.lua does.
"use strict";
const path = require("node:path");

const modules = process.env.PEERS_NODE_MODULES;
const Redis = require(path.join(modules, "ioredis"));

const keys = Array.from({ length: 100 }, (_, i) => `k:${i + 1}`);
const value = "x".repeat(64);

function expect(got) {
	if (got !== value) throw new Error(`a reply is ${got}`);
}

function works(db) {
	const get = async (i) => expect(await db.get(keys[i % 100]));
	const set = async (i) => await db.set(keys[i % 100], value);
	const pipeline = async () => {
		const commands = db.pipeline();
		for (const key of keys) commands.get(key);
		for (const [error, got] of await commands.exec()) {
			if (error) throw error;
			expect(got);
		}
	};
	return { get_1: get, get_128: get, set_128: set, pipeline_100: pipeline };
}

async function together(width, each, operation) {
	await Promise.all(Array.from({ length: width }, async () => {
		for (let i = 0; i < each; i++) await operation(i);
	}));
}

async function measure(label, width, n, operation) {
	const each = Math.max(1, Math.floor(n / width));
	await together(width, Math.max(1, Math.floor(each / 10)), operation);
	const start = process.hrtime.bigint(), before = process.cpuUsage();
	await together(width, each, operation);
	const used = process.cpuUsage(before), wall = Number(process.hrtime.bigint() - start) / 1e3, count = width * each;
	console.log(`RESULT ${label} cpu=${(used.user + used.system) / count} wall=${wall / count}`);
}

async function main(port, words) {
	const auto = words[0] === "auto";
	const name = auto ? "ioredis_auto" : "ioredis";
	const version = require(path.join(modules, "ioredis/package.json")).version;
	console.log(`VERSION ${name} ${version}, Node.js ${process.versions.node}`);
	const db = new Redis({ port, enableAutoPipelining: auto });
	const operations = works(db);
	for (let i = 0; i < 100; i++) await operations.set_128(i);
	for (const word of auto ? words.slice(1) : words) {
		const [work, width, n] = word.split(":");
		if (!operations[work]) throw new Error(`there is no work ${work}`);
		await measure(`${name}_${work}`, Number(width), Number(n), operations[work]);
	}
	db.disconnect();
}

main(Number(process.argv[2]), process.argv.slice(3)).catch((error) => {
	console.error(error);
	process.exit(1);
});
