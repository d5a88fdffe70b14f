#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/arm64.sh with bad input, and with a QEMU and a compiler that only pretend:
# what counts as passed, failed and not judged.  It boots nothing.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
REPO=$T/repo
TESTS=$T/cache/mglru-kvm/6.12/kselftest-arm64
mkdir -p "$T/bin" "$REPO/lab" "$REPO/build/6.12/arm64" "$TESTS/kvm"
cp "$LAB"/{lib.sh,vm.sh,splats,arm64.sh,arm64-init.c,verdict.sh,kselftest.awk} "$REPO/lab"
printf '%s\n' kvm:prog:new 'kvm:prog:of_x86 # x86' >"$REPO/lab/new-behaviour"
echo image >"$REPO/build/6.12/arm64/Image"
echo program >"$TESTS/kvm/prog"
echo kvm:prog >"$TESTS/kselftest-list.txt"
export XDG_CACHE_HOME=$T/cache

# Their results and console are what $results and $console say.
cat >"$T/bin/qemu-system-aarch64" <<'END'
#!/bin/bash
echo $$ >"$T/pid"
printf '%s\n' "$*" >"$T/arguments"
out=$(sed -n 's/.*id=results,path=\([^ ]*\)results.*/\1/p' "$T/arguments")
printf "${results-}" >"$out/results"
printf "${console-}" >"$out/console"
exec sleep "${lasts-0}"
END
cat >"$T/bin/aarch64-linux-gnu-gcc" <<'END'
#!/bin/bash
while [ "$1" != -o ]; do shift; done
echo init >"$2"
END
chmod +x "$T"/bin/*
export T PATH=$T/bin:$PATH

# vm RESULTS COMMAND...: with a VM that leaves RESULTS
vm()
{
	results=$1 "${@:2}"
}

run()
{
	"$REPO/lab/arm64.sh" "$@"
}

export results console lasts
good='TAP version 13\n1..2\nok 1 old\nok 2 new\nlab: exit 0\n'
bad='TAP version 13\n1..2\nok 1 old\nnot ok 2 new\nlab: exit 1\n'

exits 0 'all tests pass' vm "$good" run
says 'each is a result' 'ok 2 kvm:prog:new'
says 'and counted' '1..2'
works 'the kernel stops at a warning' grep -q 'panic=-1 panic_on_warn=1' "$T/arguments"
works 'the machine has EL2' grep -q virtualization=on "$T/arguments"
works 'the program is in the initramfs' sh -c \
	"gzip -d <'$REPO/build/run/arm64-prog/initrd' | busybox cpio -t 2>&1 | grep -qx test"
exits 0 'arguments' vm "$good" run -c cortex-a76 -p kvm:prog -- -r guest.one
works 'go to the program' grep -q -e '-- -r guest.one ' "$T/arguments"
works 'with the CPU that is wanted' grep -q -e '-cpu cortex-a76 ' "$T/arguments"
fails 'arguments without a program' 'arguments are for one program' run -- -r guest.one
fails 'a program that there is not' 'there is no kvm:gone' run -p kvm:gone

exits 1 'a test fails' vm "$bad" run
says 'it is named' 'not ok 2 kvm:prog:new'
says 'and so are the files' "$REPO/build/run/arm64-prog/console and "
exits 0 'new behaviour fails without the series' vm "$bad" run -n
exits 1 'and must do so' vm "$good" run -n
says 'which is said' 'must fail on this kernel, passed'

console='WARNING: CPU: 0\n' exits 2 'a kernel that warns' vm "$good" run
says 'the warning is printed' 'WARNING: CPU: 0'
exits 3 'a VM that says nothing' run
says 'its test did not report' 'not ok 1 kvm:prog'
exits 3 'a VM that stops midway' vm "${good%lab*}" run
lasts=1000 exits 3 'a VM that never ends' vm "$good" run -t 1
says 'the timeout is named' 'stopped after 1 s'
works 'it is killed' sh -c "! kill -0 $(cat "$T/pid")"

# Killed in the middle, it leaves no QEMU behind.
rm "$T/pid"
lasts=1000 "$REPO/lab/arm64.sh" >"$T/out" 2>&1 &
until [ -s "$T/pid" ]; do sleep 0.1; done
kill $!
wait $! || :
works 'interrupted: QEMU is gone' sh -c "! kill -0 $(cat "$T/pid")"

fails 'an unknown option' 'option -z is unknown' run -z
fails 'a timeout that is no number' '-t soon: not a number' run -t soon
fails 'a kernel that is not there' "no kernel image $T/Image" run -k "$T/Image"
rm "$TESTS/kselftest-list.txt"
fails 'no tests' 'lab/build.sh arm64-selftests' run
rm "$REPO/build/6.12/arm64/Image"
fails 'no kernel' 'lab/build.sh config arm64' run
rm "$T/bin/qemu-system-aarch64"
mkdir "$T/few"
for program in bash dirname; do ln -s "$(command -v $program)" "$T/few/$program"; done
fails 'no QEMU' 'no qemu-system-aarch64' env PATH="$T/bin:$T/few" "$REPO/lab/arm64.sh"
done_testing
