// One service: what it does now, what its coroutines wait for, its last errors, where its time goes.
import { attribute, classes, element, keyed, link, text } from "./dom.js";
import { act } from "./changes.js";
import { Curve } from "./curve.js";
import { flame } from "./flame.js";
import { bytes, count, percent, plural, seconds } from "./format.js";
import { entry, fillEntry } from "./log.js";

function of(n, most, format) {
	return most ? `${format(n)} of ${format(most)}` : format(n);
}

const NUMBERS = [
	["CPU so far", look => seconds(look.cpu)],
	["Messages so far", look => count(look.messages)],
	["Waiting messages", look => of(look.queued, look.queued_limit, count)],
	["Memory", look => bytes(look.memory)],
	["Coroutines that wait", look => look.tasks === undefined ? "–" : count(look.tasks)],
	["Errors", look => count(look.errors)],
	["Slow messages", look => count(look.slow)],
	["Refused messages", look => count(look.refused)],
];

const WORDS = { call: ["waits for an answer", "wait for an answer"], sleep: ["sleeps", "sleep"], wait: ["waits to be woken", "wait to be woken"],
	timer: ["begins when a timer is due", "begin when a timer is due"], "its turn": ["is about to go on", "are about to go on"] };

function who(node, address, name) {
	return link(node, "#service?address=" + address.slice(1), name ? `${name} ${address}` : address);
}

function makeWait() {
	const p = { what: element("span"), target: element("a"), since: element("span", { class: "dim" }), stack: element("pre", { tabindex: "0" }) };
	const node = element("details", {}, element("summary", {}, p.what, " ", p.target, " ", p.since), p.stack);
	node.p = p;
	return node;
}

function fillWait(node, wait) {
	const { what, target, since, stack } = node.p;
	const [one, many] = WORDS[wait.what] || [`waits: ${wait.what}`, `wait: ${wait.what}`];
	text(what, (wait.count > 1 ? `${count(wait.count)} ${many}` : one) + (wait.target ? " of" : ""));
	if (wait.target) who(target, wait.target, wait.target_name);
	target.hidden = !wait.target;
	text(since, [wait.seconds === undefined ? "" : `for ${seconds(wait.seconds)}`, wait.source ? `handling a request of ${wait.source_name || ""} ${wait.source}` : "",
		wait.session ? `session ${wait.session}` : ""].filter(Boolean).join(", "));
	text(stack, wait.stack.replace(/^\t/gm, ""));
	attribute(stack, "aria-label", "Stack");
}

export function service(page, root, given) {
	const address = given.get("address") || "", path = "/api/service?address=" + encodeURIComponent(address);
	const title = element("h1", {}, ":" + address), what = element("span", { class: "dim mono" }), state = element("span", { class: "pill" }), doing = element("span"), source = element("a");
	const gone = element("p", { class: "card bad", role: "status", hidden: true });
	const numbers = NUMBERS.map(([label]) => [element("dt", {}, label), element("dd")]);
	const cpu = new Curve("CPU", percent), messages = new Curve("Messages a second", count), memory = new Curve("Memory", bytes, { base: 2 });
	const waits = element("div"), waitsTitle = element("h2", {}, "Coroutines"), noWaits = element("p", { class: "empty" });
	const errors = element("div", { class: "log short", tabindex: "0", role: "group", "aria-label": "Last warnings and errors of this service" });
	const noErrors = element("p", { class: "empty" }, "None that the log still has.");
	const collect = element("button", { type: "button", onclick: () => act(`collect garbage of :${address}`, `api/collect?address=${address}`) }, "Collect garbage");
	const kill = element("button", { type: "button", class: "danger", onclick: () => act(`kill :${address} at once`, `api/kill?address=${address}`) }, "Kill");
	const buttons = element("div", { class: "buttons" }, collect, kill);
	root.append(element("div", { class: "title" }, title, state, what), gone,
		element("section", { class: "card" }, element("h2", {}, "Now"), element("p", {}, doing, " ", source)),
		element("section", { class: "card", "aria-label": "Numbers" }, element("dl", { class: "numbers" }, ...numbers.map(([dt, dd]) => element("div", {}, dt, dd)))),
		element("div", { class: "curves columns" }, cpu.root, messages.root, memory.root),
		element("div", { class: "columns" },
			element("section", { class: "card" }, waitsTitle, noWaits, waits),
			element("section", { class: "card" }, element("h2", {}, "Last warnings and errors"), noErrors, errors)));
	if (page.endpoints["/api/profile"]) root.append(flame(address));
	const actions = element("section", { class: "card" }, element("h2", {}, "Change"), buttons);
	root.append(actions);

	function receive(look) {
		gone.hidden = !look.error;
		if (look.error) {
			text(gone, `It is gone: ${look.error}. What follows is what was seen last.`);
			kill.disabled = collect.disabled = true;
			text(state, "gone");
			classes(state, "pill bad");
			return;
		}
		text(title, look.name);
		text(what, `${look.address}  ${look.description}`);
		document.title = `${look.name} ${look.address} · Reef`;
		text(state, look.silent ? "does not answer" : { runs: "runs", queued: "has work", waits: "waits" }[look.state] || look.state);
		classes(state, "pill" + (look.silent ? " bad" : ""));
		const now = look.doing;
		text(doing, now ? `Handles a ${now.type} message for ${seconds(now.seconds)} now${now.source ? ", from" : "."}` : look.state === "queued" ? "Waits for a worker to run it."
			: "Nothing: it waits for messages.");
		if (now && now.source) who(source, now.source, now.source_name);
		source.hidden = !(now && now.source);
		NUMBERS.forEach(([, format], i) => text(numbers[i][1], format(look)));
		cpu.add(look.time, look.cpu_rate);
		messages.add(look.time, look.message_rate);
		memory.add(look.time, look.memory);
		if (look.waiting) {
			text(waitsTitle, look.tasks ? `${plural(look.tasks, "coroutine waits", "coroutines wait")}` : "Coroutines");
			noWaits.hidden = look.waiting.length > 0;
			text(noWaits, "None waits.");
			keyed(waits, look.waiting, w => `${w.what} ${w.target} ${w.stack}`, makeWait, fillWait);
		} else if (look.silent) {
			noWaits.hidden = false;
			text(noWaits, "It does not answer, so only what the engine knows is shown.");
		}
		noErrors.hidden = look.last_errors.length > 0;
		errors.hidden = look.last_errors.length === 0;
		keyed(errors, [...look.last_errors].reverse(), line => line.id, entry, fillEntry);
	}
	return { title: ":" + address, watch: { [path]: receive }, process(look) { actions.hidden = !look.changes; } };
}
