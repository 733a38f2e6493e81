// Tables that are updated in place, and sorted by their heads.
import { attribute, classes, element, keyed, text } from "./dom.js";

// Columns: { field, label, text: is it text?, cell: fill(td, row) or a format, weight: "middle" (not on phones) | "low" (only
// where there is room), sort: can it be sorted by? }
export class Table {
	constructor(caption, columns, key, { sort, order, onsort } = {}) {
		Object.assign(this, { columns, key, sort, order, onsort });
		this.heads = columns.map((column, i) => {
			const label = onsort && column.field ? element("button", { type: "button", onclick: () => this.choose(column.field) }, column.label) : column.label;
			return element("th", { scope: "col", class: this.classOf(column, i) }, label);
		});
		this.body = element("tbody");
		this.root = element("table", {}, element("caption", { class: "hidden" }, caption), element("thead", {}, element("tr", {}, ...this.heads)), this.body);
		this.showSort();
	}

	classOf(column, i) {
		return [column.text && "text", i === 0 && "main-column", column.weight].filter(Boolean).join(" ");
	}

	showSort() {
		this.columns.forEach((column, i) => attribute(this.heads[i], "aria-sort",
			this.onsort && column.field === this.sort ? this.order === "asc" ? "ascending" : "descending" : undefined));
	}

	choose(field) {
		const column = this.columns.find(c => c.field === field), first = column.text ? "asc" : "desc";
		this.order = field !== this.sort ? first : this.order === "asc" ? "desc" : "asc";
		this.sort = field;
		this.showSort();
		this.onsort(this.sort, this.order);
	}

	update(rows) {
		keyed(this.body, rows, this.key, () => element("tr", {}, ...this.columns.map((column, i) => element("td", { class: this.classOf(column, i) }))),
			(tr, row) => this.columns.forEach((column, i) => {
				const td = tr.children[i];
				if (column.fill) column.fill(td, row);
				else {
					const value = row[column.field];
					text(td, column.format ? column.format(value, row) : value ?? "–");
					if (!column.text) classes(td, [this.classOf(column, i), value ? column.tone && column.tone(value, row) : "zero"].filter(Boolean).join(" "));
				}
			}));
	}
}

// The only children of a cell, made once.
export function parts(td, make) {
	if (!td.parts) {
		td.parts = make();
		td.append(...Object.values(td.parts));
	}
	return td.parts;
}
