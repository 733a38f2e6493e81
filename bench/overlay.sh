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
flags="-std=gnu11 -O2 -g1 -fno-omit-frame-pointer -DLUA_COMPAT_5_3 -DLUA_USE_LINUX -D_GNU_SOURCE -w -I$src"

build() { # build NAME: $out/NAME from stock files, with the overlay if NAME is overlay
	local name=$1 file base objects=()
	mkdir "$out/$name.o"
	for file in "$src"/l*.c; do
		base=$(basename "$file" .c)
		[ "$base" = luac ] && continue
		if [ "$name" = overlay ] && [ -f "$root/sharetable/overlay/ov_$base.c" ]; then
			file=$root/sharetable/overlay/ov_$base.c
		fi
		echo "$file $out/$name.o/$base.o"
	done >"$out/list"
	if [ "$name" = overlay ]; then
		for base in pool path refuse; do
			echo "$root/sharetable/overlay/$base.c $out/$name.o/ov_$base.o"
		done >>"$out/list"
	fi
	# The overlay's own seed is random; here both get one that is fixed.
	xargs -P2 -L1 sh -c "\${CC:-cc} $flags -I$root/sharetable/overlay -Dreef_shared_seed=reef_shared_seed_unused \
		'-Dluai_makeseed(L)=20240601u' -c \$0 -o \$1" <"$out/list"
	${CC:-cc} "$out/$name.o"/*.o -o "$out/$name" -lm -ldl -lpthread -Wl,-E
}

count() { # count NAME WORK -> instructions
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$out/$1" "$root/bench/overlay.lua" "$2" 2>&1 |
		sed -n 's/.*Collected : //p'
}

build stock
build overlay
printf '%-14s %12s %12s %7s\n' work stock overlay ratio
for work in $("$out/stock" "$root/bench/overlay.lua"); do
	stock=$(count stock "$work")
	overlay=$(count overlay "$work")
	printf '%-14s %12d %12d %7s\n' "$work" "$stock" "$overlay" "$(awk "BEGIN { printf \"%.3f\", $overlay / $stock }")"
done | tee "$out/table"
awk '{ s += log($4); n++ } END { printf "%-14s %33.3f\n", "geometric mean", exp(s / n) }' "$out/table"
