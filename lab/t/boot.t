#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/boot.sh and lab/guest.sh with bad input, and with a QEMU and a Bochs that only
# pretend.  It boots nothing; what a VM does is tested by every group that
# boots one.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)
REPO=$T/repo
mkdir -p "$T/bin" "$REPO/lab" "$REPO/build/6.12/stock"
cp "$LAB"/{lib.sh,vm.sh,init,splats,boot.sh,bochs.sh,nmi-timer.c,guest.sh,verdict.sh} "$REPO/lab"
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
cat >"$T/bin/bochs" <<'END'
#!/bin/bash
echo $$ >"$T/pid"
cp isolinux.cfg "$T"
tty >"$T/tty"
printf "${results-}" >results
printf "${console-}" >console
if [ "${screen-}" ]; then
	echo "Bochs connected to screen \"$screen\""
	head -c 1000000 /dev/zero >"$screen"
fi
exec sleep "${lasts-0}"
END
echo "#!/bin/true" >"$T/bin/xorriso"
chmod +x "$T/bin"/*
export T

boot()
{
	PATH=$T/bin:$PATH "$REPO/lab/boot.sh" "$@"
}

fails 'an unknown kernel' 'unknown kernel nightly' boot -k nightly -- true
says 'it lists the known ones' 'stock, patched, a name of lab/configs/'
fails 'a kernel that is not built' 'build it: lab/build.sh patched' boot -k patched -- true
fails 'an image that is not there' 'no kernel image' boot -k "$T/bzImage" -- true
fails 'no command' 'no command' boot -k stock
fails 'a timeout that is no number' '-t soon: not a number' boot -k stock -t soon -- true
fails 'a timeout of nothing' '-t 0: not a number' boot -k stock -t 0 -- true
fails 'memory that is no number' '-m 2G: not a number' boot -k stock -m 2G -- true
fails 'an unknown option' 'option -z is unknown' boot -k stock -z -- true
fails 'an option without its value' 'option -t is unknown or lacks its value' boot -k stock -t
fails 'counting instructions on two CPUs' '-i works with one CPU only' boot -k stock -i -s 2 -- true
fails 'counting instructions on parallel CPUs' '-i works with one CPU only' boot -k stock -i -j -- true

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
exits 0 'more of the command line' env results='lab: exit 0\n' PATH="$T/bin:$PATH" \
	"$REPO/lab/boot.sh" -k stock -a panic_on_warn=0 -- true
works 'which overrides the rest' grep -q 'panic_on_warn=1 .*panic_on_warn=0' "$T/arguments"
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

# The Intel host.  Its emulator is not our child: killing the terminal ends it.
intel()
{
	boot -b -k stock "$@"
}

gone()
{
	local try
	for try in {1..50}; do
		kill -0 "$(cat "$T/pid")" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "process $(cat "$T/pid") still runs after $try tries"
	return 1
}

fails 'Bochs: two CPUs' '-b works with one CPU' intel -s 2 -- true
fails 'Bochs: counting instructions' '-b works with one CPU and without -i' intel -i -- true
fails 'Bochs: a terminal' 'without -i, -c and -p' intel -c -- true
fails 'Bochs: a plugin' 'without -i, -c and -p' intel -p plugin.so -- true
fails 'no Bochs' 'no bochs' env PATH="$T/few" "$REPO/lab/boot.sh" -b -k stock -- true
mkdir -p "$T/cache/mglru-kvm/6.12/kselftest/kvm"
for name in kvm/a_test kvm/b_test kvm/c_test run_kselftest.sh; do
	echo test >"$T/cache/mglru-kvm/6.12/kselftest/$name"
done
echo '. ./c_test' >"$T/cache/mglru-kvm/6.12/kselftest/kvm/c_test.sh"
export results='hello\nlab: exit 0\n'
exits 0 'Bochs: a command that succeeds' intel -a kvm_intel.ept=0 -- true kvm:a_test kvm:none
says 'Bochs: its output appears' hello
says 'Bochs: the machine is named' 'stock kernel, emulated Intel (Bochs)'
works 'Bochs: the kernel stops at a warning and ends the emulator' \
	grep -q '^append .*reboot=t .*panic=-1 panic_on_warn=1' "$T/isolinux.cfg"
works 'Bochs: it gets more of the command line' grep -q 'kvm_intel.ept=0$' "$T/isolinux.cfg"
works 'Bochs: it has a terminal, though nobody else has' grep -q ^/dev/ "$T/tty"
intel_files()
{
	zcat "$REPO/build/initrd/bochs" | busybox cpio -t 2>/dev/null | tee "$T/files" >"$T/out"
}

intel_files
says 'Bochs: the VM has the lab' "${REPO#/}/lab/verdict.sh"
says 'Bochs: and the test that the command names' "${T#/}/cache/mglru-kvm/6.12/kselftest/kvm/a_test"
says 'Bochs: and what runs it' "${T#/}/cache/mglru-kvm/6.12/kselftest/run_kselftest.sh"
says 'Bochs: and bash' bin/bash
works 'Bochs: and no other test' sh -c "! grep '[bc]_test$' '$T/files'"
exits 0 'Bochs: a test that is a script' intel -- true kvm:c_test.sh
intel_files
works 'Bochs: the VM has the program of a test that is a script' grep -q '/kvm/c_test$' "$T/files"
works 'Bochs: and no other program' sh -c "! grep '[ab]_test$' '$T/files'"
works 'Bochs: and knows who is root' grep -qx etc/passwd "$T/files"
mkfifo "$T/screen"
exits 0 'Bochs: a screen that shows a lot does not stop it' env screen="$T/screen" \
	PATH="$T/bin:$PATH" "$REPO/lab/boot.sh" -b -k stock -t 20 -- true
exits 2 'Bochs: a kernel that warns' env console='WARNING: CPU: 0\n' PATH="$T/bin:$PATH" \
	"$REPO/lab/boot.sh" -b -k stock -- true
export results=''
exits 3 'Bochs: it reports nothing and stops' intel -- true
exits 3 'Bochs: it never reports' env lasts=1000 PATH="$T/bin:$PATH" \
	"$REPO/lab/boot.sh" -b -k stock -t 1 -- true
works 'Bochs: it is killed' gone
rm "$T/pid"
env lasts=1000 PATH="$T/bin:$PATH" "$REPO/lab/boot.sh" -b -k stock -- true >"$T/out" 2>&1 &
until [ -s "$T/pid" ]; do sleep 0.1; done
kill $!
wait $! || :
works 'Bochs: interrupted, it is gone' gone
unset results

guest()
{
	"$REPO/lab/guest.sh" "$@"
}

fails 'guest: no command' 'no command' guest
fails 'guest: memory that is no number' '-m lots: not a number' guest -m lots -- true
fails 'guest: an unknown option' 'option -z is unknown' guest -z -- true
fails 'guest: outside of a VM' 'error: no ' guest -k "$T/none" -- true
done_testing
