// What changes the process: asked for with the token of the configuration, which is kept while the page is open.
import { text } from "./dom.js";

const dialog = document.getElementById("asks"), words = document.getElementById("asks-text"), failed = document.getElementById("asks-error"),
	input = document.getElementById("token"), yes = document.getElementById("asks-yes");
let token = "", pending;

document.getElementById("asks-no").addEventListener("click", () => dialog.close());
dialog.querySelector("form").addEventListener("submit", async event => {
	event.preventDefault();
	token = input.value;
	yes.disabled = true;
	text(failed, "");
	try {
		const response = await fetch(pending.path, { method: "POST", headers: { Authorization: "Bearer " + token } });
		const answer = await response.json();
		if (!response.ok) throw new Error(answer.error);
		dialog.close();
		if (pending.done) pending.done(answer);
	} catch (error) {
		text(failed, error.message);
	}
	yes.disabled = false;
});

// Asks, and does it. `done` gets the answer.
export function act(what, path, done) {
	pending = { path, done };
	text(words, `You are about to ${what}.`);
	text(failed, "");
	input.value = token;
	dialog.showModal();
	(token ? yes : input).focus();
}
