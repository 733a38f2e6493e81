// The frame: what process this is, which view is shown, whether it is live.
import { attribute, classes, element, text } from "./dom.js";
import { seconds } from "./format.js";
import { get, Live } from "./live.js";
import { overview } from "./overview.js";
import { services } from "./services.js";
import { service } from "./service.js";
import { messages } from "./messages.js";
import { cluster, pools, shared, sockets } from "./parts.js";
import { log } from "./log.js";

const VIEWS = [["overview", "Overview", overview], ["services", "Services", services], ["service", null, service], ["messages", "Messages", messages],
	["pools", "Pools", pools], ["sockets", "Sockets", sockets], ["shared", "Shared data", shared], ["cluster", "Cluster", cluster], ["log", "Log", log]];

const main = document.getElementById("main"), state = document.getElementById("state"), hold = document.getElementById("hold");
const page = { endpoints: {}, process: undefined };
let shown;

const live = new Live((connected, words) => {
	page.connected = connected;
	showState(words);
});
page.live = live;

function showState(words) {
	classes(state, "state " + (page.connected ? live.held ? "" : "on" : "off"));
	text(state, page.connected ? live.held ? "held" : "live" : words);
}

hold.addEventListener("click", () => {
	live.hold(!live.held);
	attribute(hold, "aria-pressed", live.held);
	showState("");
});

const facts = Object.fromEntries([["host", "host"], ["pid", "pid"], ["version", "version"], ["config", "config"], ["up", "up"]].map(([name, label]) => {
	const dd = element("dd", {}, "–");
	document.getElementById("facts").append(element("div", {}, element("dt", {}, label), dd));
	return [name, dd];
}));

function showProcess(look) {
	page.process = look;
	text(facts.host, look.host);
	text(facts.pid, look.pid);
	text(facts.version, look.version);
	text(facts.config, look.config || "none");
	text(facts.up, seconds(look.time - look.started) + (look.ready ? "" : `, not ready: ${look.not_ready.join(", ")}`));
	if (shown && shown.process) shown.process(look);
}

const links = VIEWS.filter(([, label]) => label).map(([name, label]) => {
	const a = element("a", { href: "#" + name }, label);
	document.getElementById("views").append(element("li", {}, a));
	return [name, a];
});

// #services?sort=cpu_rate: a view and its parameters.
function show() {
	const [, name, query] = /^#?([a-z]*)\??(.*)$/.exec(location.hash) || [];
	const [found, label, view] = VIEWS.find(([n]) => n === name) || VIEWS[0];
	if (shown && shown.close) shown.close();
	const root = element("div");
	shown = view(page, root, new URLSearchParams(query));
	main.replaceChildren(root);
	document.title = `${label || shown.title} · Reef`;
	for (const [n, a] of links) attribute(a, "aria-current", n === found || found === "service" && n === "services" ? "page" : undefined);
	live.show(shown.watch || {});
	if (page.process && shown.process) shown.process(page.process);
}

window.addEventListener("hashchange", () => { show(); main.focus(); window.scrollTo(0, 0); });
live.always({ "/api/process": showProcess });
try { page.endpoints = (await get("api")).endpoints; } catch { /* the state says that nobody answers */ }
show();
