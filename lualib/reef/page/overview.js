// The process at a glance: curves, the busiest services, the last warnings.
import { element, keyed, text } from "./dom.js";
import { Curve } from "./curve.js";
import { bytes, count, percent, plural } from "./format.js";
import { get } from "./live.js";
import { entry, fillEntry } from "./log.js";
import { nameColumn, cpuColumn } from "./services.js";
import { Table } from "./table.js";

const CURVES = [["cpu", "CPU", percent, "cpu_rate"], ["messages", "Messages a second", count, "message_rate"], ["queued", "Messages that wait", count, "queued"],
	["memory", "Memory", bytes, "resident", { base: 2 }], ["services", "Services", count, "services"], ["errors", "Errors a second", count, "error_rate"]];
const SERVICES = "/api/services?limit=8", ERRORS = "/api/log?level=warn&limit=12";

export function overview(page, root) {
	const curves = CURVES.map(([name, title, format, field, options]) => ({ name, field, curve: new Curve(title, format, options) }));
	const cpuTitle = curves[0].curve.root.querySelector("h2");
	const table = new Table("The busiest services", [nameColumn, cpuColumn,
		{ field: "message_rate", label: "Messages/s", format: count },
		{ field: "memory", label: "Memory", format: bytes, weight: "middle" }], row => row.address);
	const lines = element("div", { class: "log short", tabindex: "0", role: "group", "aria-label": "The last warnings and errors" });
	const none = element("p", { class: "empty" }, "None so far.");
	root.append(element("h1", { class: "hidden" }, "Overview"), element("div", { class: "curves" }, ...curves.map(c => c.curve.root)),
		element("div", { class: "columns" },
			element("section", { class: "card" }, element("h2", {}, "Busiest services"), table.root,
				element("p", { class: "more" }, element("a", { href: "#services" }, "All services"))),
			element("section", { class: "card" }, element("h2", {}, "Last warnings and errors"), none, lines,
				element("p", { class: "more" }, element("a", { href: "#log" }, "The log")))));
	let kept = [];
	get("api/metrics").then(past => {
		for (const { name, curve } of curves) {
			const times = past.times.concat(curve.times.filter(t => !(t <= past.times[past.times.length - 1])));
			curve.set(times, past.series[name].concat(curve.values.slice(curve.values.length - (times.length - past.times.length))));
		}
	}).catch(() => {});
	return {
		process(look) {
			text(cpuTitle, `CPU of ${plural(look.workers, "worker", "workers")}`);
			for (const { field, curve } of curves) curve.add(look.time, look[field]);
		},
		watch: {
			[SERVICES]: body => table.update(body.services),
			[ERRORS]: body => {
				kept = kept.concat(body.lines).slice(-12);
				none.hidden = kept.length > 0;
				lines.hidden = kept.length === 0;
				keyed(lines, [...kept].reverse(), line => line.id, entry, (node, line) => fillEntry(node, line, true));
			},
		},
	};
}
