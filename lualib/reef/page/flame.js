// A flame graph of folded stacks: `outer;inner;innermost 12` a line.
import { element, text } from "./dom.js";
import { percent } from "./format.js";

const SECONDS = 10;

function tree(folded) {
	const all = { name: "all", value: 0, children: new Map() };
	for (const line of folded.split("\n")) {
		const m = /^(.*) (\d+)$/.exec(line);
		if (!m) continue;
		const n = Number(m[2]);
		let node = all;
		all.value += n;
		for (const name of m[1].split(";")) {
			let child = node.children.get(name);
			if (!child) node.children.set(name, child = { name, value: 0, children: new Map(), parent: node });
			child.value += n;
			node = child;
		}
	}
	return all;
}

// Warm colours, the same for the same function.
function colour(name) {
	let hash = 7;
	for (const c of name) hash = (hash * 31 + c.codePointAt(0)) % 9973;
	return `hsl(${10 + hash % 38} 84% ${62 + hash % 13}%)`;
}

function draw(box, tip, root) {
	const rows = [];
	function add(node, depth, left, width) {
		if (width < 0.1 || depth > 120) return;
		const share = `${node.name}, ${percent(node.value / root.total)} (${node.value} samples)`;
		const button = element("button", { type: "button", "aria-label": share, title: share, onfocus: () => text(tip, share), onpointerenter: () => text(tip, share),
			onclick: () => { draw(box, tip, Object.assign(node, { total: root.total })); box.querySelector("button").focus(); } }, width > 3 ? node.name : "");
		Object.assign(button.style, { left: left + "%", width: `calc(${width}% - 1px)`, background: colour(node.name) });
		(rows[depth] || (rows[depth] = element("div", { class: "row" }))).append(button);
		for (const child of [...node.children.values()].sort((a, b) => a.name < b.name ? -1 : 1)) {
			const part = width * child.value / node.value;
			add(child, depth + 1, left, part);
			left += part;
		}
	}
	if (root.parent) {
		const up = element("button", { type: "button", onclick: () => { let top = root; while (top.parent) top = top.parent; draw(box, tip, top); } }, "← all");
		Object.assign(up.style, { left: 0, width: "100%", background: "#d7dde0" });
		rows.push(element("div", { class: "row" }, up));
	}
	add(root, rows.length, 0, 100);
	box.replaceChildren(...rows);
}

export function flame(address) {
	const box = element("div", { class: "flame", role: "group", "aria-label": "Flame graph" }), tip = element("p", { class: "tip", role: "status" });
	const button = element("button", { type: "button" }, "Record ten seconds");
	button.addEventListener("click", async () => {
		button.disabled = true;
		text(tip, "Recording …");
		try {
			const response = await fetch(`api/profile?service=${address}&seconds=${SECONDS}&format=folded`, { cache: "no-store" });
			const folded = await response.text();
			if (!response.ok) throw new Error(JSON.parse(folded).error);
			const root = tree(folded);
			root.total = root.value;
			if (root.value === 0) box.replaceChildren();
			else draw(box, tip, root);
			text(tip, root.value ? `${root.value} samples; choose a function to look closer.` : "It did not run in that time.");
		} catch (error) {
			text(tip, error.message);
		}
		button.disabled = false;
	});
	return element("section", { class: "card" }, element("h2", {}, "Where its time goes"), element("div", { class: "tools" }, button), box, tip);
}
