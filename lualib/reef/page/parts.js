// Views of one table or two: pools, sockets, shared data, the cluster.
import { element, keyed, link, text } from "./dom.js";
import { bytes, clock, count, percent, plural, seconds } from "./format.js";
import { parts, Table } from "./table.js";

const bad = value => value ? "bad" : "";

function owner(label = "Service", weight) {
	return { field: "name", label, text: true, weight, fill(td, row) {
		const { a, sub } = parts(td, () => ({ a: element("a"), sub: element("span", { class: "sub" }) }));
		if (row.service) link(a, "#service?address=" + row.service.slice(1), row.name || row.service);
		text(sub, row.name && row.service ? row.service : "");
	} };
}

function section(title, empty, table, ...more) {
	const none = element("p", { class: "empty" }, empty);
	const root = element("section", { class: "card" }, element("h2", {}, title), none, ...more, table.root || table);
	return { root, update(rows) {
		none.hidden = rows.length > 0;
		(table.root || table).hidden = rows.length === 0;
		if (table.root) table.update(rows);
	} };
}

function heading(root, title) {
	root.append(element("div", { class: "title" }, element("h1", {}, title)));
}

export function pools(page, root) {
	heading(root, "Connection pools");
	const table = new Table("Pools", [
		{ field: "name", label: "Pool", text: true, fill(td, row) {
			const { name, down } = parts(td, () => ({ name: element("span"), down: element("span", { class: "pill bad" }, "down") }));
			text(name, row.name + " ");
			down.hidden = !row.down;
		} },
		{ field: "connections", label: "Connections", format: count, weight: "middle" },
		{ field: "request_rate", label: "Requests/s", format: count },
		{ label: "Failed", format: (_, p) => percent(p.request_rate ? Math.min(1, p.failed_rate / p.request_rate) : p.failed_rate ? 1 : 0), field: "failed_rate", tone: bad },
		{ field: "failed", label: "Failed so far", format: count, tone: bad, weight: "low" },
		{ field: "in_flight", label: "On their way", format: count, weight: "low" },
		{ field: "queued", label: "Waiting", format: count, weight: "middle" },
		{ field: "p50", label: "Half within", format: seconds, weight: "middle" },
		{ field: "p99", label: "99 % within", format: seconds },
	], p => p.name);
	const part = section("Pools", "No pool is in use.", table);
	root.append(part.root);
	return { watch: { "/api/pools": body => part.update(body.pools) } };
}

const SORTED = { sort: "unsent", order: "desc", filter: "" };

export function sockets(page, root) {
	heading(root, "Sockets");
	const view = { watch: {} };
	const table = new Table("Sockets", [
		{ field: "peer", label: "Peer", text: true, fill: (td, s) => text(td, s.peer || (s.listens ? `listens at ${s.listens}` : "–")) },
		owner(), { field: "kind", label: "Kind", text: true, weight: "low" },
		{ field: "read", label: "Read", format: bytes, weight: "middle" }, { field: "written", label: "Written", format: bytes, weight: "middle" },
		{ field: "unsent", label: "Unsent", format: bytes }, { field: "read_age", label: "Last read", format: v => v === undefined ? "–" : seconds(v), weight: "low" },
	], s => s.id, { ...SORTED, onsort: (sort, order) => { Object.assign(SORTED, { sort, order }); watch(); } });
	const search = element("input", { type: "search", placeholder: "Filter by peer, service or kind", "aria-label": "Filter sockets", oninput: () => { SORTED.filter = search.value; watch(); } });
	search.value = SORTED.filter;
	const found = element("p", { class: "more dim", role: "status" });
	root.append(element("section", { class: "card", "aria-label": "Sockets" }, element("div", { class: "tools" }, element("div", { class: "grow" }, search)), table.root, found));
	function watch() {
		const query = new URLSearchParams({ sort: SORTED.sort, order: SORTED.order });
		if (SORTED.filter) query.set("filter", SORTED.filter);
		view.watch = { ["/api/sockets?" + query]: body => {
			table.update(body.sockets);
			text(found, plural(body.matching, "socket", "sockets") + (body.matching < body.total ? ` of ${count(body.total)}` : "") +
				(body.sockets.length < body.matching ? `, the first ${body.sockets.length} shown` : ""));
		} };
		page.live.show(view.watch);
	}
	watch();
	return view;
}

function makeHolder() {
	return element("li", {}, element("a"), element("span", { class: "dim" }));
}

function fillHolder(li, holder) {
	link(li.children[0], "#service?address=" + holder.service.slice(1), `${holder.name || ""} ${holder.service}`);
	text(li.children[1], (holder.pinned_by ? ` pins it by ${holder.pinned_by}` : "") + (holder.left ? `, ${count(holder.left)} references left` : ""));
}

export function shared(page, root) {
	heading(root, "Shared data");
	const tables = section("Tables", "No shared table was loaded.", new Table("Shared tables", [
		{ field: "name", label: "Table", text: true },
		{ field: "version", label: "Version", fill: (td, t) => text(td, count(t.version) + (t.current ? "" : " old")) },
		{ field: "bytes", label: "Size", format: bytes },
		{ label: "Held by", text: true, fill(td, t) {
			const { words, list } = parts(td, () => ({ words: element("span"), list: element("ul", { class: "list" }) }));
			text(words, t.holders.length > 20 ? plural(t.holders.length, "service", "services") : t.holders.length ? "" : "nobody");
			keyed(list, t.holders.slice(0, 20), h => h.service, makeHolder, fillHolder);
		} },
	], t => `${t.name} ${t.version}`));
	const errors = element("ul", { class: "list bad mono" });
	const sheets = section("Configuration data", "No directory is watched.", new Table("Directories of configuration data", [
		{ field: "directory", label: "Directory", text: true }, { field: "version", label: "Version", format: count },
		{ field: "sheets", label: "Sheets", format: count, weight: "middle" }, { field: "rows", label: "Rows", format: count, weight: "middle" },
		{ field: "bytes", label: "Size", format: bytes, weight: "middle" }, { field: "loaded_at", label: "Loaded", format: t => t ? clock(t) : "never" },
		{ label: "Last attempt", text: true, fill(td, d) { const { pill } = parts(td, () => ({ pill: element("span") })); text(pill, d.errors ? "failed" : "good"); pill.className = "pill" + (d.errors ? " bad" : ""); } },
	], d => d.service), errors);
	const rest = element("dl", { class: "numbers" }), numbers = [["Mapped", b => bytes(b.mapped)], ["Code", b => `${bytes(b.code.bytes)} of ${plural(b.code.files, "file", "files")}`],
		["Sheets", b => `${bytes(b.sheets.bytes)}, ${plural(b.sheets.rows, "row", "rows")}`], ["Removed and still held", b => bytes(b.sheets.retired_bytes)]].map(([label, format]) => {
		const dd = element("dd");
		rest.append(element("div", {}, element("dt", {}, label), dd));
		return [dd, format];
	});
	root.append(element("section", { class: "card", "aria-label": "Sums" }, rest), sheets.root, tables.root);
	return { watch: { "/api/shared": body => {
		tables.update(body.tables);
		sheets.update(body.directories);
		keyed(errors, body.directories.flatMap(d => d.errors || []), line => line, () => element("li"), (li, line) => text(li, line));
		for (const [dd, format] of numbers) text(dd, format(body));
	} } };
}

export function cluster(page, root) {
	heading(root, "Cluster");
	const nodes = section("Nodes", "This process belongs to no cluster.", new Table("Nodes", [
		{ field: "name", label: "Node", text: true }, { field: "address", label: "Address", text: true },
		{ label: "Connection", text: true, fill(td, n) { const { pill } = parts(td, () => ({ pill: element("span") })); text(pill, n.state || "–"); pill.className = "pill" + (n.state === "not connected" ? " bad" : ""); } },
		{ field: "in_flight", label: "On their way", format: count, weight: "middle" }, { field: "queued", label: "Waiting", format: count, weight: "middle" },
	], n => n.name));
	const incoming = element("p", { class: "dim" });
	root.append(nodes.root, element("section", { class: "card", "aria-label": "Incoming" }, incoming));
	return { watch: { "/api/cluster": body => {
		nodes.update(body.nodes);
		text(incoming, `${plural(body.connections || 0, "connection", "connections")} from other nodes`);
	} } };
}
