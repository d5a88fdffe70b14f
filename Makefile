# SPDX-License-Identifier: GPL-2.0-only
# Names for what lab/*.sh do.  Nothing is decided here: each target calls one script.

.PHONY: help run check check-intel check-suite check-configs coverage mutants soak bench-aging kernel shell selftests refresh series git clean
.NOTPARALLEL:

help:
	@echo 'Fast aging of secondary MMUs for the multi-gen LRU, on Linux 6.12'
	@echo
	@echo 'Use:'
	@echo '  run        - install what is missing, build, boot stock and patched, compare them'
	@echo '  check      - run every test; the last line counts them'
	@echo '  check-intel - the tests again on emulated Intel hosts, all of them: takes long'
	@echo '  check-suite - the kernel'\''s own selftests of mm and KVM, stock beside patched, in each MMU mode: takes long'
	@echo '  check-configs - compile mm/ and KVM with each of lab/configs/: takes long'
	@echo '  coverage   - which branches of the changed functions the tests take, and why not the others: takes long'
	@echo '  mutants    - put bugs into the kernel, one at a time, and see that the tests notice: takes long'
	@echo '  soak       - race on a kernel with lockdep and KASAN, and on one with KCSAN, for MINUTES=60 each'
	@echo '  bench-aging - what aging costs, in instructions, for guests of many kinds'
	@echo '  shell      - open a shell in a patched host VM, a guest ready to start'
	@echo
	@echo 'Build and change:'
	@echo '  kernel     - build stock and patched: build/6.12/{stock,patched}/bzImage'
	@echo '  selftests  - build the kselftests'
	@echo '  git        - git on the commits of the patched tree: make git ARGS="log --oneline"'
	@echo '  refresh    - write these commits back to patches/ and to the new files'
	@echo '  series     - write the complete series for git am to build/6.12/series'
	@echo '  clean      - remove build/; the cache stays (~/.cache/mglru-kvm, safe to delete)'

run: kernel
	lab/run.sh

check:
	lab/check.sh

check-intel:
	lab/check.sh kernels 'all-intel-*'

check-suite:
	lab/check.sh kernels 'suite-*'

check-configs:
	lab/check.sh configs

coverage:
	lab/check.sh kernels coverage

soak:
	lab/deps.sh
	lab/soak.sh

mutants:
	lab/check.sh kernels mutants

bench-aging: kernel
	lab/bench-aging.sh

kernel:
	lab/deps.sh
	lab/build.sh stock
	lab/build.sh patched

shell: kernel
	lab/shell.sh

selftests:
	lab/build.sh selftests

refresh:
	lab/tree.sh refresh

series:
	lab/tree.sh export-series build/6.12/series

git:
	@lab/tree.sh git $(ARGS)

clean:
	rm -rf build
