// Making and updating nodes. What is there already is changed and never replaced: so selections, focus, scroll and what
// has been opened stay. Text goes into text nodes only, so nothing that a process says is ever taken for HTML.

export function element(tag, properties = {}, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (value === undefined || value === null || value === false) continue;
		if (name === "class") node.className = value;
		else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
		else node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.filter(child => child !== undefined && child !== null));
	return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
	const node = document.createElementNS(SVG, tag);
	for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
	node.append(...children);
	return node;
}

export function text(node, value) {
	const first = node.firstChild;
	value = String(value);
	if (first && first.nodeType === Node.TEXT_NODE && !first.nextSibling) {
		if (first.data !== value) first.data = value;
	} else {
		node.textContent = value;
	}
	return node;
}

export function attribute(node, name, value) {
	if (value === undefined || value === null || value === false) node.removeAttribute(name);
	else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function classes(node, value) {
	if (node.className !== value) node.className = value;
}

// A link whose text and target change.
export function link(node, href, label) {
	attribute(node, "href", href);
	return text(node, label);
}

function isHeld(node) {
	if (node.contains(document.activeElement)) return true;
	const selection = document.getSelection();
	return selection && !selection.isCollapsed && node.contains(selection.anchorNode);
}

// Puts the nodes into this order. One that has the focus or the selection is never moved: others move around it.
function arrange(parent, nodes) {
	const held = nodes.find(isHeld);
	let at = parent.firstChild;
	for (const node of nodes) {
		if (node === held) {
			while (at !== node) {
				const next = at.nextSibling;
				parent.insertBefore(at, node.nextSibling);
				at = next;
			}
		}
		if (node === at) at = at.nextSibling;
		else parent.insertBefore(node, at);
	}
}

// The children of `parent` become one for each item: `make` makes a node, `update` brings it up to date; nodes are known by
// key(item).
export function keyed(parent, items, key, make, update) {
	const known = parent.knownNodes || (parent.knownNodes = new Map()), kept = new Map(), nodes = [];
	for (const item of items) {
		const k = key(item);
		if (kept.has(k)) continue;
		const node = known.get(k) || make(item);
		kept.set(k, node);
		nodes.push(node);
		update(node, item);
	}
	for (const [k, node] of known) if (!kept.has(k)) node.remove();
	parent.knownNodes = kept;
	arrange(parent, nodes);
}
