#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/boot.sh and lab/guest.sh with bad input, and with a QEMU that only
# pretends.  It boots nothing; what a VM does is tested by every group that
# boots one.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
REPO=$T/repo
mkdir -p "$T/bin" "$REPO/lab" "$REPO/build/6.12/stock"
cp "$LAB"/{lib.sh,vm.sh,init,splats,boot.sh,guest.sh,verdict.sh} "$REPO/lab"
echo image >"$REPO/build/6.12/stock/bzImage"
export XDG_CACHE_HOME=$T/cache

# The QEMU that pretends: its results and console are what $results and $console say.
cat >"$T/bin/qemu-system-x86_64" <<'END'
#!/bin/bash
case "$*" in *'-machine none'*) exit 1 ;; esac
echo $$ >"$T/pid"
printf '%s\n' "$*" >"$T/arguments"
out=$(sed -n 's/.*id=results,path=\([^ ]*\)results.*/\1/p' "$T/arguments")
printf "${results-}" >"$out/results"
printf "${console-}" >"$out/console"
exec sleep "${lasts-0}"
END
chmod +x "$T/bin/qemu-system-x86_64"
export T

boot()
{
	PATH=$T/bin:$PATH "$REPO/lab/boot.sh" "$@"
}

# exits CODE NAME COMMAND...: with exactly that code
exits()
{
	local code=$1 name=$2 rc=0
	shift 2
	"$@" >"$T/out" 2>&1 || rc=$?
	[ $rc -eq "$code" ] || echo "exit code $rc instead of $code" >>"$T/out"
	result $((rc != code)) "$name"
}

fails 'an unknown kernel' 'unknown kernel nightly' boot -k nightly -- true
says 'it lists the known ones' 'give stock, patched or the path of a bzImage'
fails 'a kernel that is not built' 'build it: make kernel' boot -k patched -- true
fails 'an image that is not there' 'no kernel image' boot -k "$T/bzImage" -- true
fails 'no command' 'no command' boot -k stock
fails 'a timeout that is no number' '-t soon: not a number' boot -k stock -t soon -- true
fails 'a timeout of nothing' '-t 0: not a number' boot -k stock -t 0 -- true
fails 'memory that is no number' '-m 2G: not a number' boot -k stock -m 2G -- true
fails 'an unknown option' 'option -z is unknown' boot -k stock -z -- true
fails 'an option without its value' 'option -t is unknown or lacks its value' boot -k stock -t
fails 'counting instructions on two CPUs' '-i works with one CPU only' boot -k stock -i -s 2 -- true

# Only what the script needs before it looks for QEMU
mkdir "$T/few"
for program in bash dirname realpath env; do
	ln -s "$(command -v $program)" "$T/few/$program"
done
fails 'no QEMU' 'no qemu-system-x86_64' env PATH="$T/few" "$REPO/lab/boot.sh" -k stock -- true

exits 0 'a command that succeeds' env results='hello\nlab: exit 0\n' PATH="$T/bin:$PATH" \
	"$REPO/lab/boot.sh" -k stock -- true
says 'its output appears' hello
says 'the machine is named' 'stock kernel, '
works 'what it printed is kept' grep -qx hello "$REPO/build/run/stock-true/results"
works 'the kernel stops at a warning' grep -q 'panic=-1 panic_on_warn=1' "$T/arguments"
works 'and does not boot again' grep -q -e -no-reboot "$T/arguments"
exits 1 'a command that fails' env results='lab: exit 7\n' PATH="$T/bin:$PATH" \
	"$REPO/lab/boot.sh" -k stock -- false
says 'the files are named' "$REPO/build/run/stock-false/console and "
exits 2 'a kernel that warns' env results='lab: exit 0\n' console='WARNING: CPU: 0\n' \
	PATH="$T/bin:$PATH" "$REPO/lab/boot.sh" -k stock -- true
says 'the warning is printed' 'WARNING: CPU: 0'
exits 3 'a guest that reports nothing and stops' boot -k stock -o "$T/silent" -- true
says 'its files are named' "$T/silent/console and $T/silent/results"
exits 4 "the emulator's failure" env console='Oops: int3: 0000 [#1] SMP\n' \
	PATH="$T/bin:$PATH" "$REPO/lab/boot.sh" -k stock -- true
exits 3 'a guest that never reports' env lasts=1000 PATH="$T/bin:$PATH" \
	"$REPO/lab/boot.sh" -k stock -t 1 -- true
says 'the timeout is named' 'stopped after 1 s'
works 'it is killed' sh -c "! kill -0 $(cat "$T/pid")"
exits 3 'a guest that reports and never stops' env lasts=1000 results='lab: exit 0\n' \
	PATH="$T/bin:$PATH" "$REPO/lab/boot.sh" -k stock -t 1 -- true
fails 'a QEMU that does not start' 'no verdict' boot -k stock -- true

# Killed in the middle, it leaves no QEMU behind.
rm "$T/pid"
env lasts=1000 PATH="$T/bin:$PATH" "$REPO/lab/boot.sh" -k stock -- true >"$T/out" 2>&1 &
until [ -s "$T/pid" ]; do sleep 0.1; done
kill $!
wait $! || :
works 'interrupted: QEMU is gone' sh -c "! kill -0 $(cat "$T/pid")"

guest()
{
	"$REPO/lab/guest.sh" "$@"
}

fails 'guest: no command' 'no command' guest
fails 'guest: memory that is no number' '-m lots: not a number' guest -m lots -- true
fails 'guest: an unknown option' 'option -z is unknown' guest -z -- true
fails 'guest: outside of a VM' 'error: no ' guest -k "$T/none" -- true
done_testing
