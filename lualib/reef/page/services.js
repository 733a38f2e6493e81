// Services, one by one or by name: sorted, filtered, as many as one likes to see.
import { attribute, classes, element, link, text } from "./dom.js";
import { bytes, count, percent, plural } from "./format.js";
import { parts, Table } from "./table.js";

const tone = value => value ? "bad" : "";

export const nameColumn = {
	field: "name", label: "Service", text: true,
	fill(td, row) {
		const p = parts(td, () => ({ a: element("a"), sub: element("span", { class: "sub" }) }));
		if (row.address) {
			link(p.a, "#service?address=" + row.address.slice(1), row.name);
			const rest = row.description.replace(/^snlua /, "").slice(row.name.length);
			text(p.sub, row.address + (row.description.startsWith("snlua ") ? rest : ""));
			attribute(td, "title", row.description);
		} else {
			link(p.a, "#services?name=" + encodeURIComponent(row.name), row.name);
			text(p.sub, "");
		}
	},
};

export const cpuColumn = {
	field: "cpu_rate", label: "CPU",
	fill(td, row) {
		const p = parts(td, () => ({ n: element("span"), bar: element("span", { class: "bar" }, element("i")) }));
		text(p.n, percent(row.cpu_rate));
		p.bar.firstChild.style.width = Math.min(100, row.cpu_rate * 100) + "%";
		classes(td, row.cpu_rate < 0.0005 ? "zero" : "");
	},
};

const NUMBERS = [
	{ field: "message_rate", label: "Messages/s", format: count, weight: "middle" },
	cpuColumn,
	{ field: "queued", label: "Waiting", format: count, weight: "middle" },
	{ field: "memory", label: "Memory", format: bytes },
	{ field: "errors", label: "Errors", format: count, tone, weight: "middle" },
	{ field: "slow", label: "Slow", format: count, tone: v => v ? "warn" : "", weight: "low" },
	{ field: "refused", label: "Refused", format: count, tone, weight: "low" },
];
const ONE = [nameColumn, ...NUMBERS], GROUPED = [nameColumn, { field: "services", label: "Running", format: count }, ...NUMBERS];

// Remembered while the page is open.
const chosen = { sort: "cpu_rate", order: "desc", filter: "", group: false };

export function services(page, root, given) {
	const name = given.get("name"), step = 100;
	let limit = step, table, path;
	const grouped = () => chosen.group && !name;
	const search = element("input", { type: "search", placeholder: "Filter by name, arguments or address", "aria-label": "Filter services", value: chosen.filter,
		oninput: () => { chosen.filter = search.value; limit = step; watch(); } });
	search.value = chosen.filter;
	const group = element("input", { type: "checkbox", onchange: () => { chosen.group = group.checked; build(); } });
	group.checked = chosen.group;
	const select = element("select", { onchange: () => {
		const column = table.columns.find(c => c.field === select.value);
		chosen.sort = select.value;
		chosen.order = column.text ? "asc" : "desc";
		build();
	} });
	const found = element("span", { class: "dim", role: "status" }), more = element("button", { type: "button", onclick: () => { limit += step * 2; watch(); } }, "Show more");
	const holder = element("div");
	root.append(element("div", { class: "title" }, element("h1", {}, name ? `Services named ${name}` : "Services"), name ? element("a", { href: "#services" }, "all") : ""),
		element("section", { class: "card", "aria-label": "Services" },
			element("div", { class: "tools" }, element("div", { class: "grow" }, search),
				element("label", { class: "only-narrow" }, "Sort by", select), name ? "" : element("label", {}, group, "Group by name")),
			holder, element("div", { class: "more" }, found, more)));
	const view = { watch: {} };

	function watch() {
		const query = new URLSearchParams({ sort: chosen.sort, order: chosen.order, limit });
		if (chosen.filter) query.set("filter", chosen.filter);
		if (grouped()) query.set("group", "name");
		if (name) query.set("name", name);
		path = "/api/services?" + query;
		view.watch = { [path]: receive };
		if (page.live) page.live.show(view.watch);
	}

	function receive(body) {
		if (body.error) return;
		table.update(body.services);
		text(found, (grouped() ? plural(body.matching, "name", "names") : plural(body.matching, "service", "services")) +
			(body.matching < body.total ? ` of ${count(body.total)}` : "") + (body.services.length < body.matching ? `, the first ${body.services.length} shown` : ""));
		more.hidden = body.services.length >= body.matching || limit >= 1000;
	}

	function build() {
		const columns = grouped() ? GROUPED : ONE;
		if (!columns.some(c => c.field === chosen.sort)) chosen.sort = "cpu_rate";
		table = new Table("Services", columns, row => row.address || row.name, { sort: chosen.sort, order: chosen.order, onsort(sort, order) {
			Object.assign(chosen, { sort, order });
			select.value = sort;
			watch();
		} });
		holder.replaceChildren(table.root);
		select.replaceChildren(...columns.map(c => element("option", { value: c.field }, c.label)));
		select.value = chosen.sort;
		watch();
	}
	build();
	return view;
}
