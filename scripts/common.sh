# What the scripts share; sourced by them with `root` set to the tree. POSIX sh.

if [ -n "${NO_COLOR:-}" ] || [ ! -t 2 ]; then
	bold='' red='' plain=''
else
	bold=$(printf '\033[1m') red=$(printf '\033[31m') plain=$(printf '\033[m')
fi

# Prints the comment at the head of script $1, without its first line: that is its --help.
help_of() {
	awk 'NR == 1 { next } !/^#/ { exit } { sub(/^# ?/, ""); print }' "$1"
}

die() {
	echo "${red}$(basename "$0"): $*${plain}" >&2
	exit 1
}

# step TEXT COMMAND...: says TEXT, runs the command, and says how long it took. Its output is shown only if it fails.
step() {
	step_text=$1
	shift
	step_log=$(mktemp)
	step_start=$(date +%s)
	step_code=0
	"$@" >"$step_log" 2>&1 </dev/null || step_code=$?
	if [ "$step_code" -ne 0 ]; then
		cat "$step_log" >&2
		rm -f "$step_log"
		die "$step_text: failed after $(($(date +%s) - step_start)) s"
	fi
	rm -f "$step_log"
	echo "${bold}$step_text${plain} ($(($(date +%s) - step_start)) s)" >&2
}

# Prints a Go of at least 1.24. An older one can fetch it: it comes as a module; only the permissions are missing.
new_enough_go() {
	if go version | awk '{ split($0, v, /go1\./); exit !(v[2] + 0 >= 24) }'; then
		command -v go
		return
	fi
	newer=golang.org/toolchain@v0.0.1-go1.24.4.linux-$(go env GOARCH)
	(cd / && GOFLAGS=-modcacherw go mod download "$newer") || return
	newer=$(go env GOMODCACHE)/$newer
	chmod -R u+x "$newer/bin" "$newer/pkg/tool" || return
	echo "$newer/bin/go"
}

# Cores to build with.
jobs=${REEF_JOBS:-$(nproc 2>/dev/null || echo 2)}
