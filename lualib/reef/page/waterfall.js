// The spans of a trace, each where it began and as long as it took.
import { attribute, classes, element, keyed, text } from "./dom.js";
import { moment, seconds } from "./format.js";

export class Waterfall {
	constructor() {
		this.title = element("summary");
		this.box = element("div", { class: "waterfall" });
		this.root = element("details", {}, this.title, this.box);
		this.root.waterfall = this;
	}

	update(trace) {
		const spans = trace.spans, start = Math.min(...spans.map(s => s.start)), end = Math.max(...spans.map(s => s.start + (s.duration || 0)));
		const span = Math.max(end - start, 1e-9), depth = new Map(), known = new Map(spans.map(s => [s.id, s]));
		for (const s of spans) {
			let d = 0;
			for (let p = known.get(s.parent); p && d < 20; p = known.get(p.parent)) d++;
			depth.set(s.id, d);
		}
		text(this.title, `${trace.name} · ${seconds(end - start)} · ${spans.length} spans · ${moment(start)}${spans.some(s => s.error) ? " · failed" : ""}`);
		keyed(this.box, spans, s => s.id, () => element("div", {}, element("i"), element("span")), (node, s) => {
			classes(node, "span" + (s.error ? " bad" : ""));
			const [bar, label] = node.children;
			bar.style.left = (s.start - start) / span * 100 + "%";
			bar.style.width = (s.duration || 0) / span * 100 + "%";
			text(label, `${" ".repeat(depth.get(s.id) * 2)}${s.name} ${s.service_name || ""} ${s.service || ""} ${seconds(s.duration)}${s.error ? ": " + s.error : ""}`);
			attribute(node, "title", label.textContent);
		});
	}
}
