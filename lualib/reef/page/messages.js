// The slowest messages, and traces of requests if the process keeps some.
import { element, keyed, link, text } from "./dom.js";
import { moment, seconds } from "./format.js";
import { get } from "./live.js";
import { parts, Table } from "./table.js";
import { Waterfall } from "./waterfall.js";

const EVERY = 2000; // ms

function serviceColumn(label, address, name, weight) {
	return { label, text: true, weight, fill(td, row) {
		const { a, sub } = parts(td, () => ({ a: element("a"), sub: element("span", { class: "sub" }) }));
		if (row[address]) link(a, "#service?address=" + row[address].slice(1), row[name] || row[address]);
		else text(a, "–");
		text(sub, row[address] && row[name] ? row[address] : "");
	} };
}

export function messages(page, root) {
	const table = new Table("The slowest messages", [serviceColumn("Service", "service", "name"), { field: "seconds", label: "Took", format: seconds },
		{ field: "type", label: "Type", text: true }, serviceColumn("From", "source", "source_name", "middle"), { field: "time", label: "At", format: moment }],
		m => `${m.time} ${m.service}`);
	const none = element("p", { class: "empty" }, "None took longer than a millisecond.");
	root.append(element("div", { class: "title" }, element("h1", {}, "Messages")), element("section", { class: "card" }, element("h2", {}, "Slowest of the last minutes"),
		element("p", { class: "dim" }, "How long each held its service, without the time that it waited for others."), none, table.root));
	const watch = { "/api/slow": body => { none.hidden = body.messages.length > 0; table.update(body.messages); } };
	const list = element("div"), section = element("section", { class: "card", hidden: true }, element("h2", {}, "Requests"),
		element("p", { class: "dim" }, "Traces that were kept: of slow requests, and of those that failed."), list);
	root.append(section);
	let timer, over = false;
	// Where the process keeps no traces, there is no such path.
	async function read() {
		try {
			const { traces } = page.live.held ? {} : await get("api/traces");
			section.hidden = !(traces ? traces.length : !section.hidden);
			if (traces) keyed(list, traces, t => t.trace, () => new Waterfall().root, (node, trace) => node.waterfall.update(trace));
			if (!over) timer = setTimeout(read, EVERY);
		} catch { section.hidden = true; }
	}
	read();
	return { watch, close() { over = true; clearTimeout(timer); } };
}
