#!/bin/sh
# debian-source.sh DIR PACKAGE VERSION FILE [SUITE...]
#
# Fetches the upstream tarball of a Debian source package into FILE: the first one of that upstream VERSION in the
# system's own suite or one of the others. apt runs with lists, cache and sources of its own in DIR, so that nothing on
# the system changes and root is not needed; keys and mirrors are the system's. The caller checks the sum.
set -eu
dir=$1 package=$2 version=$3 file=$4
shift 4
. /etc/os-release
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/get"

# The system's mirror: the first source, in either format, that has the release's own suite.
mirror=$(
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		[ -r "$list" ] || continue
		awk -v suite="$VERSION_CODENAME" '
			/^[ \t]*#/ { next }
			/^deb/ { # one-line format: deb [options] URI SUITE COMPONENT...
				sub(/\[[^]]*\]/, "")
				if ($3 == suite) { print $2; exit }
			}
			/^URIs:/ { uri = $2 }
			/^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) found = 1 }
			/^[ \t]*$/ { if (found && uri) exit; found = 0; uri = "" }
			END { if (found && uri) print uri }' "$list"
	done | head -n 1
)
if [ -z "$mirror" ]; then
	echo "apt's sources name no mirror for $VERSION_CODENAME"
	exit 1
fi
keyring=/usr/share/keyrings/$ID-archive-keyring.gpg
: >"$dir/sources.list"
suites=$VERSION_CODENAME
[ "$ID" != debian ] || suites="$suites $*"
for suite in $(printf '%s\n' $suites | awk '!seen[$0]++'); do
	echo "deb-src [signed-by=$keyring] $mirror $suite main" >>"$dir/sources.list"
done

cat >"$dir/apt.conf" <<END
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$dir/lists";
Dir::Cache "$dir/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb-src::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "root";
APT::Update::Post-Invoke-Success "";
END
export APT_CONFIG="$dir/apt.conf"
apt-get -qq update

# Debian's name for it is VERSION-REVISION, possibly with an epoch before and a suffix behind.
full=$(apt-cache showsrc --only-source "$package" | awk -v want="$version" '
	/^Version:/ { v = $2; sub(/^[0-9]+:/, "", v); sub(/-[^-]*$/, "", v); if (v == want) { print $2; exit } }')
if [ -z "$full" ]; then
	echo "no version $version of $package in $(echo $suites | tr ' ' ',') at $mirror"
	exit 1
fi
cd "$dir/get"
apt-get -qq source --download-only --only-source "$package=$full"
set -- *.orig.tar.gz
mv "$1" "$file"
