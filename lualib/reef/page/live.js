// What the process tells, as it changes: one WebSocket, over which the page says what it wants to see. A round is read
// before it is acknowledged, so a slow browser gets fewer rounds, never old ones.

const AGAIN = [500, 1000, 2000, 5000];

export class Live {
	constructor(state) {
		this.state = state; // called with (connected, words)
		this.common = new Map();
		this.view = new Map();
		this.held = false;
		this.failures = 0;
		this.bodies = new Map();
		this.connect();
	}

	// Paths that are watched whatever is shown, and those of the view: path -> function of its body.
	always(handlers) { this.common = new Map(Object.entries(handlers)); this.say(); }
	show(handlers) { this.view = new Map(Object.entries(handlers)); this.say(); }

	hold(held) { this.held = held; this.say(); }

	say() {
		if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
		const paths = this.held ? [] : [...new Set([...this.common.keys(), ...this.view.keys()])];
		this.socket.send(JSON.stringify({ watch: paths }));
	}

	connect() {
		const socket = new WebSocket(new URL("api/live", location.href.replace(/^http/, "ws")));
		this.socket = socket;
		socket.onopen = () => { this.failures = 0; this.state(true, "live"); this.say(); };
		socket.onmessage = event => this.read(JSON.parse(event.data));
		socket.onclose = event => {
			const pause = AGAIN[Math.min(this.failures++, AGAIN.length - 1)];
			this.state(false, event.reason || `no answer from ${location.host}`);
			setTimeout(() => this.connect(), pause);
		};
	}

	read(message) {
		if (message.round !== undefined) {
			requestAnimationFrame(() => {
				if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ seen: message.round }));
			});
		} else if (message.path !== undefined && !this.held) {
			for (const handlers of [this.common, this.view]) {
				const handler = handlers.get(message.path);
				if (handler) handler(message.body);
			}
		}
	}
}

export async function get(path) {
	const response = await fetch(path, { cache: "no-store" });
	if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
	return response.json();
}
