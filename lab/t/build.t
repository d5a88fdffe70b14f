#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab/build.sh on a kernel of one file whose Makefile pretends: configuration, failures,
# interruptions, and what a second run leaves alone.
set -eu
# shellcheck source=lab/t/tap.sh
. "$(dirname "$0")/tap.sh"
LAB=$(cd "$(dirname "$0")/.." && pwd)

export XDG_CACHE_HOME=$T/cache LAB_TARBALL=$T/linux.tar.xz LAB_TREE_MIB=1 LAB_OBJ_MIB=1
unset LAB_LOCKED LAB_KEEP LAB_MAKE GIT_DIR
C=$T/cache/mglru-kvm/6.12
R=$T/repo
S=$T/linux-source-6.12
PATH=$T/bin:$PATH

build()
{
	"$R/lab/build.sh" "$@"
}

# source_says TEXT: change the one source file
source_says()
{
	sleep 0.01
	echo "$1" >"$C/stock-src/x.c"
}

D=tools/testing/selftests
mkdir -p "$T/bin" "$R/lab" "$R/patches/6.12" "$R/$D/kvm/x86_64" "$S/scripts/kconfig" "$S/$D/kvm"
cp "$LAB"/{lib.sh,kbuild.sh,lock.sh,tree.sh,build.sh} "$R/lab"
printf '#!/bin/sh\necho 6.12.1-1\n' >"$T/bin/dpkg-query"
chmod +x "$T/bin/dpkg-query"
echo one >"$S/x.c"
printf 'config 64BIT\nconfig SWAP\nconfig TAKES_MORE\n' >"$S/Kconfig"
cat >"$S/Makefile" <<'MAKE'
KCONFIG_CONFIG ?= $(O)/.config
image := $(O)/arch/x86/boot/bzImage
.DELETE_ON_ERROR:
tinyconfig: ; echo CONFIG_64BIT=y >$(KCONFIG_CONFIG)
olddefconfig: ;
bzImage: $(image)
$(image): $(O)/x.o ; mkdir -p $(@D) && cp $< $@ && touch $(O)/System.map
Image: $(O)/x.o
	mkdir -p $(O)/arch/$(ARCH)/boot && cp $< $(O)/arch/$(ARCH)/boot/Image
	touch $(O)/System.map
	echo $(ARCH) $(CROSS_COMPILE) $(CC) >$(O)/made-with
headers: ;
modules: ; touch $(O)/x.ko
modules_install: ; mkdir -p $(INSTALL_MOD_PATH)/lib/modules && mv $(O)/x.ko $(INSTALL_MOD_PATH)/lib/modules
$(O)/x.o: x.c $(O)/.config
	@echo "  CC      x.o"
	! grep error $<
	cp $< $@
MAKE
cat >"$S/$D/Makefile" <<'MAKE'
install:
	mkdir -p $(INSTALL_PATH)
	for test in $(TEST_GEN_PROGS); do \
		echo $(TARGETS):$${test##*/}; \
	done >$(INSTALL_PATH)/kselftest-list.txt
	echo $(CC) $(abs_objdir) >$(INSTALL_PATH)/made-with
MAKE
cat >"$S/scripts/kconfig/merge_config.sh" <<'MERGE'
#!/bin/sh
grep -E '^CONFIG_(SWAP)=' "$5" >>"$4" || :
MERGE
chmod +x "$S/scripts/kconfig/merge_config.sh"
printf 'TEST_GEN_PROGS_x86_64 = %s\nTEST_GEN_PROGS_x86_64 += %s\n' dirty_log_test x86_64/one_test >"$S/$D/kvm/Makefile"
find "$S" -exec touch -d '2026-01-01' {} +
tar -cJf "$LAB_TARBALL" -C "$T" linux-source-6.12
printf 'CONFIG_SWAP=y\n# CONFIG_DEBUG is not set\n' >"$R/lab/kernel.config"
mkdir "$R/lab/configs"
printf '%s\n' '# arch: arm64 aarch64-linux-gnu-' CONFIG_64BIT=y >"$R/lab/configs/arm64.config"
echo '# CONFIG_SWAP is not set' >"$R/lab/configs/debug.config"
touch "$R/$D/kvm/any_test.c" "$R/$D/kvm/x86_64/one_test.c"
cat >"$R/patches/6.12/0001-tests.patch" <<PATCH
From: Nobody <nobody@example.org>
Date: Sat, 21 Nov 2026 10:00:00 +0000
Subject: [PATCH] tests: add two

They are empty.

New-file: $D/kvm/any_test.c
New-file: $D/kvm/x86_64/one_test.c
---
PATCH
echo 0001-tests.patch >"$R/patches/6.12/series"
image=$R/build/6.12/stock/bzImage

works "a first build" build stock
works "leaves an image" grep -qx one "$image"
works "configured as wanted" grep -qx CONFIG_SWAP=y "$C/stock-src/obj/.config"
works "a second build" build stock
works "makes nothing" sh -c "! grep -q '^  CC' '$R/build/log/stock-build.log'"
works "so does patched" build patched
works "beside it" cmp "$R/build/6.12/patched/bzImage" "$image"

## configuration
echo CONFIG_TAKES_MORE=y >>"$R/lab/kernel.config"
fails "an option that does not take" "the configuration did not take: TAKES_MORE" build stock
sed -i '$d' "$R/lab/kernel.config"
echo CONFIG_NEW_TEST=y >>"$R/lab/kernel.config"
fails "an option that patched lacks" "did not take: NEW_TEST" build patched
works "but stock may lack" build stock
sed -i '$d' "$R/lab/kernel.config"
echo '# CONFIG_64BIT is not set' >>"$R/lab/kernel.config"
fails "an option that stays" "did not take: 64BIT" build stock
sed -i '$d' "$R/lab/kernel.config"

## arm64
works "an arm64 kernel" build config arm64
works "leaves an image of its own" cmp "$R/build/6.12/arm64/Image" "$C/patched-src/obj-arm64/arch/arm64/boot/Image"
works "made by a cross compiler" grep -qx 'arm64 aarch64-linux-gnu- ccache aarch64-linux-gnu-gcc' \
	"$C/patched-src/obj-arm64/made-with"
works "with a configuration of its own" sh -c "! grep -q SWAP '$C/patched-src/obj-arm64/.config'"
works "some objects of it" build config arm64 bzImage
works "its selftests" build arm64-selftests
works "are those that are not of x86" grep -qx kvm:any_test "$C/kselftest-arm64/kselftest-list.txt"
works "and no others" sh -c "! grep -v any_test '$C/kselftest-arm64/kselftest-list.txt'"
works "by the cross compiler, beside the source" grep -qx "ccache aarch64-linux-gnu-gcc $C/patched-src/obj-arm64" \
	"$C/kselftest-arm64/made-with"
works "the selftests of x86" build selftests
works "are all of them" grep -qx kvm:one_test "$C/kselftest/ours.txt"
works "and apart from them the kernel's own" diff "$C/kselftest/suite.txt" <(printf '%s\n' kvm:dirty_log_test \
	mm:droppable mm:mseal_test mm:pkey_sighandler_tests_64 mm:seal_elf)
works "beside those of arm64" test -e "$C/kselftest-arm64/kselftest-list.txt"

## debug
works "a debug kernel" build config debug
works "leaves an image of its own, too" test -e "$R/build/6.12/debug/bzImage"
works "without what it takes away" sh -c "! grep -q '^CONFIG_SWAP=' '$C/patched-src/obj-debug/.config'"
works "and with what it does not name" grep -qx CONFIG_64BIT=y "$C/patched-src/obj-debug/.config"
works "some objects of stock with it" build stock-config debug bzImage
works "beside those of stock" grep -qx CONFIG_64BIT=y "$C/stock-src/obj-debug/.config"
echo CONFIG_SWAP=m >"$R/lab/configs/modules.config"
works "a kernel with modules" build config modules
works "leaves them next to its image" test -e "$R/build/6.12/modules/lib/modules/x.ko"
works "stock with modules" build stock-config modules
works "has its own" test -e "$R/build/6.12/stock-modules/lib/modules/x.ko"
works "beside its image" test -e "$R/build/6.12/stock-modules/bzImage"
echo CONFIG_SWAP=y >"$R/lab/configs/modules.config"
works "if it has none any more" build config modules
works "they are gone" test ! -e "$R/build/6.12/modules/lib"
fails "a configuration that is not there" "there is no lab/configs/none.config" build config none
fails "one that is not named" "usage" build config

## failures
source_says error
fails "a source that does not compile" "build/log/stock-build.log" build stock
works "leaves the old image" grep -qx one "$image"
source_says two
works "mended, it builds" build stock
works "the new image" grep -qx two "$image"
touch "$C/stock-src/obj/.lab-building"
sleep 0.01
echo truncated >"$C/stock-src/obj/x.o"
echo truncated >"$C/stock-src/obj/arch/x86/boot/bzImage"
works "an interrupted build is repaired" build stock
says "with a word about it" "interrupted build"
works "completely" grep -qx two "$image"
printf '#!/bin/sh\nprintf "h\\nf 9 9 0 9 /\\n"\n' >"$T/bin/df"
chmod +x "$T/bin/df"
fails "a full disk" "0 MiB free" build stock
rm "$T/bin/df"
fails "a step without a target" "usage: lab/build.sh" build step HEAD
fails "a step of a configuration without a target" "usage: lab/build.sh" build step-config base kvm-all
works "a step" build step base bzImage
fails "tools of no step" "usage: lab/build.sh" build step-tools
fails "an unknown kernel" "usage: lab/build.sh" build frob
done_testing
