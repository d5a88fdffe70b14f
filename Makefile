# SPDX-License-Identifier: GPL-2.0-only
# Names for what lab/*.sh do.  Nothing is decided here.

.PHONY: help run bench bench-aging report check check-intel check-suite check-configs check-series coverage \
	mutants soak kernel deb shell selftests refresh series update git clean deps can-bench
.NOTPARALLEL:

help:
	@echo 'Fast aging of secondary MMUs for the multi-gen LRU, on Linux 6.12'
	@echo
	@echo 'Use and measure:'
	@echo '  run        - install what is missing, build, boot stock and patched, compare them'
	@echo '  bench      - guests at work, on both kernels, many times; ACCEL=kvm on hardware, ON=host on this host'
	@echo '  bench-aging - what aging costs, in instructions, for guests of many kinds'
	@echo '  report     - write Documentation/results from what run, bench, bench-aging and check-suite measured'
	@echo '  deb        - Debian packages of the kernel, which takes hours, and of lrugen; CONFIG=lab: minutes'
	@echo '  shell      - open a shell in a patched host VM, a guest ready to start'
	@echo
	@echo 'Check:'
	@echo '  check      - run every test; the last line counts them'
	@echo '  check-intel - the tests again on emulated Intel hosts, all of them: takes long'
	@echo '  check-suite - the kernel'\''s own selftests of mm and KVM, stock beside patched, in each mode: takes long'
	@echo '  check-configs - compile mm/ and KVM with each of lab/configs/: takes long'
	@echo '  check-series - after each patch, compile all of KVM on x86 and arm64, and boot: takes hours'
	@echo '  coverage   - which branches of the changed functions the tests take, and why not the others: takes long'
	@echo '  mutants    - put bugs into the kernel, one at a time, and see that the tests notice: takes long'
	@echo '  soak       - race on a kernel with lockdep and KASAN, and on one with KCSAN, for MINUTES=60 each'
	@echo
	@echo 'Build and change:'
	@echo '  kernel     - build stock and patched: build/6.12/{stock,patched}/bzImage'
	@echo '  selftests  - build the kselftests'
	@echo '  git        - git on the commits of the patched tree: make git ARGS="log --oneline"'
	@echo '  refresh    - write these commits back to patches/ and to the new files'
	@echo '  series     - write the series as mails for git am --empty=drop to build/6.12/series'
	@echo '  update     - try the series on the newest linux-source-6.12, or TO=VERSION, hunk by hunk'
	@echo '  clean      - remove build/; the cache stays (~/.cache/mglru-kvm, safe to delete)'

deps:
	lab/deps.sh

run: kernel
	lab/run.sh

bench: can-bench kernel
	lab/bench.sh

can-bench: deps
	lab/bench.sh --check

report: deps
	lab/report.sh

check:
	lab/check.sh

check-intel:
	lab/check.sh kernels 'all-intel-*'

check-suite:
	lab/check.sh kernels 'suite-*'

check-configs:
	lab/check.sh configs

check-series:
	lab/check.sh each-step

coverage:
	lab/check.sh kernels coverage

soak: deps
	lab/soak.sh

mutants:
	lab/check.sh kernels mutants

bench-aging: kernel
	lab/bench-aging.sh

kernel: deps
	lab/build.sh stock
	lab/build.sh patched

deb: deps
	lab/deb.sh $(CONFIG)

shell: kernel
	lab/shell.sh

selftests:
	lab/build.sh selftests

refresh:
	lab/tree.sh refresh

series:
	lab/tree.sh export-series build/6.12/series

update:
	lab/update.sh $(TO)

git:
	@lab/tree.sh git $(ARGS)

clean:
	rm -rf build
