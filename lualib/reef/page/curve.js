// A curve over time, with axes. The value under the pointer is shown; with the keyboard it is a slider over time.
import { attribute, element, svg, text } from "./dom.js";
import { clock } from "./format.js";

const LEFT = 50, BOTTOM = 18, TOP = 8, RIGHT = 2, SPAN = 60; // pixels; seconds that are shown at least
let serial = 0;

// A number not below n with which a half is round, too; `base` 2 for bytes.
function roof(n, base) {
	if (!(n > 0)) return 1;
	const unit = base === 2 ? 2 ** Math.floor(Math.log2(n)) : 10 ** Math.floor(Math.log10(n));
	for (const step of base === 2 ? [1, 1.5, 2] : [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (unit * step >= n) return unit * step;
	return unit * 10;
}

export class Curve {
	constructor(title, format, { base = 10, level = 2 } = {}) {
		this.format = format;
		this.base = base;
		this.times = [];
		this.values = [];
		const id = `curve${++serial}`;
		this.when = element("span", { class: "when" });
		this.value = element("span", {}, "–");
		this.svg = svg("svg", { "aria-hidden": "true", focusable: "false" });
		this.plot = element("div", { class: "plot", role: "slider", tabindex: "0", "aria-labelledby": id, "aria-valuemin": "0",
			"aria-valuemax": "0", "aria-valuenow": "0", "aria-valuetext": "nothing yet",
			onpointermove: event => this.point(event), onpointerleave: () => this.leave(), onkeydown: event => this.key(event),
			onblur: () => this.leave() }, this.svg);
		this.root = element("section", { class: "card curve" },
			element("div", { class: "head" }, element(`h${level}`, { id }, title), element("output", {}, this.when, this.value)), this.plot);
		this.high = svg("text", { x: LEFT - 6, "text-anchor": "end" });
		this.half = svg("text", { x: LEFT - 6, "text-anchor": "end" });
		this.zero = svg("text", { x: LEFT - 6, "text-anchor": "end" });
		this.oldest = svg("text", { x: LEFT });
		this.newest = svg("text", { "text-anchor": "end" });
		this.lines = [svg("line", { class: "grid" }), svg("line", { class: "grid" }), svg("line", { class: "grid" })];
		this.area = svg("path", { class: "area" });
		this.line = svg("path", { class: "line" });
		this.at = svg("line", { class: "at" });
		this.dot = svg("circle", { class: "dot", r: 4 });
		this.svg.append(...this.lines, this.area, this.line, this.high, this.half, this.zero, this.oldest, this.newest, this.at, this.dot);
		new ResizeObserver(() => this.draw()).observe(this.plot);
	}

	set(times, values) {
		this.times = times.slice();
		this.values = values.slice();
		this.draw();
	}

	add(time, value) {
		if (value === undefined || this.times.length && time <= this.times[this.times.length - 1]) return;
		this.times.push(time);
		this.values.push(value);
		if (this.times.length > 600) { this.times.shift(); this.values.shift(); if (this.index !== undefined) this.index--; }
		this.draw();
	}

	draw() {
		const width = this.plot.clientWidth, height = this.plot.clientHeight, n = this.times.length;
		if (width === 0) return;
		const low = height - BOTTOM, most = roof(Math.max(0, ...this.values), this.base);
		const end = n ? this.times[n - 1] : 0, start = n ? Math.min(this.times[0], end - SPAN) : -SPAN;
		this.x = time => LEFT + (time - start) / (end - start) * (width - LEFT - RIGHT);
		this.y = value => low - value / most * (low - TOP);
		[low, (low + TOP) / 2, TOP].forEach((y, i) => {
			for (const [name, value] of [["x1", LEFT], ["x2", width], ["y1", y], ["y2", y]]) attribute(this.lines[i], name, value);
		});
		for (const [node, value, y] of [[this.high, most, TOP], [this.half, most / 2, (low + TOP) / 2], [this.zero, 0, low]]) {
			attribute(node, "y", y + 4);
			text(node, this.format(value).replace(/\.0+(?= |$)/, ""));
		}
		attribute(this.newest, "x", width);
		attribute(this.newest, "y", height - 3);
		attribute(this.oldest, "y", height - 3);
		text(this.newest, n ? clock(end) : "");
		text(this.oldest, n ? clock(start) : "");
		const points = this.times.map((t, i) => `${this.x(t).toFixed(1)} ${this.y(this.values[i]).toFixed(1)}`);
		attribute(this.line, "d", n ? "M" + points.join("L") : "M0 0");
		attribute(this.area, "d", n ? `M${this.x(this.times[0]).toFixed(1)} ${low}L${points.join("L")}L${this.x(end).toFixed(1)} ${low}Z` : "M0 0");
		this.mark();
	}

	// The value that is marked, or the latest.
	mark() {
		const n = this.times.length, marked = this.index !== undefined && this.index >= 0 && this.index < n, i = marked ? this.index : n - 1;
		attribute(this.at, "visibility", marked ? "visible" : "hidden");
		attribute(this.dot, "visibility", marked ? "visible" : "hidden");
		if (n === 0) return;
		const x = this.x(this.times[i]), value = this.format(this.values[i]);
		if (marked) {
			for (const [name, to] of [["x1", x], ["x2", x], ["y1", TOP], ["y2", this.plot.clientHeight - BOTTOM]]) attribute(this.at, name, to);
			attribute(this.dot, "cx", x);
			attribute(this.dot, "cy", this.y(this.values[i]));
		}
		text(this.when, marked ? clock(this.times[i]) : "");
		text(this.value, value);
		attribute(this.plot, "aria-valuemax", n - 1);
		attribute(this.plot, "aria-valuenow", i);
		if (marked || document.activeElement !== this.plot) attribute(this.plot, "aria-valuetext", `${value} at ${clock(this.times[i])}`);
	}

	point(event) {
		const x = event.clientX - this.plot.getBoundingClientRect().left;
		let best;
		this.times.forEach((t, i) => {
			const far = Math.abs(this.x(t) - x);
			if (best === undefined || far < best) { best = far; this.index = i; }
		});
		this.mark();
	}

	leave() { this.index = undefined; this.mark(); }

	key(event) {
		const last = this.times.length - 1, at = this.index === undefined ? last : this.index;
		const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: last }[event.key];
		if (event.key === "Escape") return this.leave();
		if (to === undefined || last < 0) return;
		event.preventDefault();
		this.index = Math.max(0, Math.min(last, to));
		this.mark();
	}
}
