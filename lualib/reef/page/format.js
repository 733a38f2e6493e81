// Numbers, sizes and times as people read them.

export function count(n) {
	if (n === undefined) return "–";
	if (n >= 1e9) return (n / 1e9).toFixed(2) + " G";
	if (n >= 1e6) return (n / 1e6).toFixed(2) + " M";
	if (n >= 1e4) return (n / 1e3).toFixed(1) + " k";
	if (Number.isInteger(n) || n >= 1e3) return n.toFixed(0);
	return n >= 10 ? n.toFixed(1) : n < 0.005 ? "0" : n.toFixed(2);
}

export function bytes(n) {
	if (n === undefined) return "–";
	if (n >= 2 ** 30) return (n / 2 ** 30).toFixed(2) + " GiB";
	if (n >= 2 ** 20) return (n / 2 ** 20).toFixed(1) + " MiB";
	return n >= 1024 ? (n / 1024).toFixed(1) + " KiB" : n.toFixed(0) + " B";
}

export function percent(n) {
	return n === undefined ? "–" : n === 0 ? "0 %" : (n * 100).toFixed(n < 0.001 ? 2 : n < 0.1 ? 1 : 0) + " %";
}

export function seconds(n) {
	if (n === undefined) return "–";
	if (n >= 86400) return `${Math.floor(n / 86400)} d ${Math.floor(n % 86400 / 3600)} h`;
	if (n >= 3600) return `${Math.floor(n / 3600)} h ${Math.floor(n % 3600 / 60)} min`;
	if (n >= 60) return `${Math.floor(n / 60)} min ${Math.floor(n % 60)} s`;
	if (n >= 1) return n.toFixed(n < 10 ? 1 : 0) + " s";
	return n >= 1e-3 ? (n * 1e3).toFixed(n < 1e-2 ? 1 : 0) + " ms" : (n * 1e6).toFixed(0) + " µs";
}

const two = n => String(n).padStart(2, "0");

export function clock(time) {
	const t = new Date(time * 1000);
	return `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

export function moment(time) {
	return `${clock(time)}.${Math.floor(time % 1 * 10)}`;
}

export function plural(n, one, many) {
	return `${count(n)} ${n === 1 ? one : many}`;
}
