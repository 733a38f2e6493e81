// The tail of the log.
import { act } from "./changes.js";
import { classes, element, keyed, link, text } from "./dom.js";
import { moment } from "./format.js";

const KEPT = 1000;

export function entry() {
	const p = { time: element("span", { class: "time" }), level: element("span", { class: "level" }), service: element("a"), text: element("span", { class: "text" }) };
	const node = element("div", {}, p.time, p.level, p.service, p.text);
	node.p = p;
	return node;
}

// With `short`, the first line of its text.
export function fillEntry(node, line, short) {
	classes(node, "entry " + line.level);
	text(node.p.time, moment(line.time));
	text(node.p.level, line.level);
	if (line.service === ":00000000") text(node.p.service, "engine");
	else link(node.p.service, "#service?address=" + line.service.slice(1), line.service);
	text(node.p.text, short ? line.text.split("\n", 1)[0] : line.text);
}

const chosen = { level: "verbose", filter: "" };
const LEVELS = ["debug", "verbose", "info", "warn", "error"];

function levels(label, onchange) {
	const select = element("select", { onchange: () => onchange(select.value) }, ...LEVELS.map(l => element("option", { value: l }, l)));
	return [select, element("label", {}, label, select)];
}

export function log(page, root) {
	let lines = [];
	const search = element("input", { type: "search", placeholder: "Filter by text", "aria-label": "Filter lines", oninput: () => { chosen.filter = search.value; watch(); } });
	search.value = chosen.filter;
	const [level, levelLabel] = levels("From level", value => { chosen.level = value; watch(); });
	level.value = chosen.level;
	const [written, writtenLabel] = levels("Written from", value => act(`have lines written from ${value} on`, `api/level?level=${value}`));
	const box = element("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Lines of the log" });
	const none = element("p", { class: "empty" }, "No such line.");
	root.append(element("div", { class: "title" }, element("h1", {}, "Log")),
		element("section", { class: "card", "aria-label": "Log" }, element("div", { class: "tools" }, element("div", { class: "grow" }, search), levelLabel, writtenLabel), none, box));
	const view = { watch: {}, process(look) {
		writtenLabel.hidden = !look.changes;
		if (document.activeElement !== written && !document.getElementById("asks").open) written.value = look.log_level;
	} };

	function watch() {
		lines = [];
		const query = new URLSearchParams({ level: chosen.level, limit: 500 });
		if (chosen.filter) query.set("filter", chosen.filter);
		view.watch = { ["/api/log?" + query]: receive };
		page.live.show(view.watch);
	}

	function receive(body) {
		const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30 || lines.length === 0;
		const last = lines.length ? lines[lines.length - 1].id : 0;
		lines.push(...body.lines.filter(line => line.id > last));
		// While somebody reads further up, nothing is taken away above.
		if (atEnd) lines = lines.slice(-KEPT);
		none.hidden = lines.length > 0;
		keyed(box, lines, line => line.id, entry, (node, line) => node.filled || (node.filled = true, fillEntry(node, line)));
		if (atEnd) box.scrollTop = box.scrollHeight;
	}
	watch();
	return view;
}
