#!/bin/bash
# What the hooks for shared data cost programs that share nothing: instructions executed by Lua with the overlay and by
# stock Lua, both built here with the same flags and the same seed, over bench/overlay.lua. Needs valgrind.
#
#   bench/overlay.sh [LUA_SOURCE_DIR]     default: the sources that build/release was configured with
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
src=${1:-$(ls -d "$root"/build/release/deps/lua-5.4.*/src | head -1)}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
count() { # count NAME WORK -> instructions
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$out/$1" "$root/bench/overlay.lua" "$2" 2>&1 |
		sed -n 's/.*Collected : //p'
}

# The overlay's own seed is random; here both get one that is fixed.
seed="'-Dluai_makeseed(L)=20240601u' -Dreef_shared_seed=reef_shared_seed_unused"
"$root/scripts/overlay-lua" "$src" "$out/stock" stock "$seed"
"$root/scripts/overlay-lua" "$src" "$out/overlay" "$seed"
printf '%-14s %12s %12s %7s\n' work stock overlay ratio
for work in $("$out/stock" "$root/bench/overlay.lua"); do
	stock=$(count stock "$work")
	overlay=$(count overlay "$work")
	printf '%-14s %12d %12d %7s\n' "$work" "$stock" "$overlay" "$(awk "BEGIN { printf \"%.3f\", $overlay / $stock }")"
done | tee "$out/table"
awk '{ s += log($4); n++ } END { printf "%-14s %33.3f\n", "geometric mean", exp(s / n) }' "$out/table"
