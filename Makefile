# SPDX-License-Identifier: MIT
# The front desk. User space is built by Meson, the module by Kbuild, guests are
# booted by vm/run; this file only says who does what.

# What "all kernels" means; vm/kernels has more.
KERNELS := $(shell vm/rows full)
KERNEL ?= $(shell uname -r)
ON ?= guest
DESTDIR ?=

help:
	@echo 'make demo          serve a disk, use it, check it, compare with the stock module (in a guest)'
	@echo 'make demo ON=host  the same on this machine, whose kernel must load the module'
	@echo 'make bench         compare stock, ours, LIO and others, in guests of all kernels; see doc/benchmarks.md'
	@echo 'make check         all tests: unit tests here, the cases in guests of all kernels; TAP=1: results in'
	@echo '                   the Test Anything Protocol'
	@echo 'make check-unit    the unit tests alone; make check-docs the manual pages against the code'
	@echo 'make check-tsan    the unit tests with threads, with a detector of data races; not part of check'
	@echo 'make check-ceph    the store rbd against a small Ceph, which is fetched, started and ended: here, and in'
	@echo '                   guests of all kernels; not part of check. K=6.12, CASES="name..."'
	@echo 'make check-install  installs into a guest, and uninstalls; not part of check. K=6.1'
	@echo 'make check-boot    installs the packages into a Debian 12 of its own and boots it with systemd, several'
	@echo '                   times; not part of check. K=6.1, CASES="name..."'
	@echo 'make fuzz          a minute of libFuzzer for each target of tests/fuzz; SECONDS=N for more'
	@echo 'make check-vm      the guests alone; K=6.1 for one kernel, CASES="name..." for some cases'
	@echo 'make check-stock   what the stock module is judged by, too, with the stock module; not part of check'
	@echo 'make check-kernels  all cases on all kernels of vm/kernels; hours, not part of check. K="7.2 7.3", CASES="name..."'
	@echo 'make check-debug   all cases on a kernel with detectors (KASAN, lockdep and more), which it builds'
	@echo '                   first, once; not part of check. K=6.12-debug, CASES="name..."'
	@echo 'make check-powercut  what was flushed is there when the power was cut; CUTS=50 for more; not part of check'
	@echo 'make style         sparse, shellcheck, man page lint, and the rules of CONTRIBUTING.md'
	@echo 'make user          library, stores and the zcmu command, in build/user'
	@echo 'make module KERNEL=VERSION   the module, in build/VERSION; default: the running kernel'
	@echo 'make install       user space to /usr/local, the module by DKMS (as root); DESTDIR=FOLDER for packages'
	@echo 'make uninstall     remove what make install has installed, older versions, too (as root)'
	@echo 'make deb           Debian packages, in build/deb'
	@echo 'make check-deb     builds them twice, which must give the same bytes, and has lintian look; not part of check'
	@echo 'make rpm           RPM packages, in build/rpm, by Debian'"'"'s rpmbuild; never tried on a system with RPM'
	@echo 'make check-rpm     builds them, and compares them with the Debian packages; not part of check'
	@echo 'make deps          install the packages that all of this takes; the other targets do what they need'
	@echo 'make clean         remove build/, but for the kernels in build/kernels'

deps: deps-user
	@./vm/deps

# What is needed to build: no emulator, and no services.
deps-user:
	@./vm/deps user

deps-deb: deps-user
	@./vm/deps deb

deps-rpm: deps-deb
	@./vm/deps rpm

user: build/user/build.ninja
	@ninja -C build/user $(if $(V),-v) | { grep -v -e '^ninja: ' -e '^\[' || true; }

build/user/build.ninja: meson.build | deps-user
	@mkdir -p build
	@meson setup build/user > build/meson.log 2>&1 || { cat build/meson.log; exit 1; }

module:
	@./kernel/build $(KERNEL)

modules:
	@for k in $(KERNELS); do ./kernel/build $$k || exit 1; done

# TAP=1: results for machines, by tests/tap.
ifdef TAP
check:
	@./tests/tap $(MAKE) --no-print-directory check TAP=
else
check: deps ahead style check-unit check-docs check-monitoring check-vm

# Not waited for.
ahead: deps
	@mkdir -p build
	@./vm/ahead > build/ahead.log 2>&1 < /dev/null &
endif

check-unit: deps user
	@./tests/unit/run
	@./tests/fuzz/run replay
	@./tests/template
	@./tests/recipes

# Not part of check: it is a second build, and more than half a minute.
check-tsan: deps
	@./tests/unit/run tsan

# Not part of check, which has to end within 45 minutes. Fetches the daemons first, once: 45 MB.
# K and CASES are for the guests.
check-ceph: deps user
	@./tests/ceph/run
	@./tests/run -S -d tests/ceph/cases $(if $(K),-k "$(K)") $(CASES)

# Not part of check: what it compiles, and copies in an emulated guest, takes minutes.
check-install: deps user
	@./tests/run -S -d tests/cases-install -m ours $(if $(K),-k "$(K)") $(CASES)

# Not part of check: the Debian is installed first, once, and each case has several boots of it.
check-boot: deps
	@./vm/deps system
	@./tests/boot/run $(if $(K),-k "$(K)") $(CASES)

fuzz: deps
	@./tests/fuzz/run $(or $(SECONDS),60)

check-docs: deps user
	@./tests/docs

check-monitoring: deps
	@./tests/monitoring

check-vm: deps user
	@./tests/run -m ours $(if $(K),-k "$(K)",$(if $(CASES),,-s)) $(CASES)

# Not part of check: each kernel takes as long as in check. One after the other, so that a machine
# isn't asked for more than check asks; all of them, whatever becomes of one.
check-kernels: deps user
	@failed=; for k in $(or $(K),$(shell vm/rows full short more)); do \
		./tests/run -S -m ours -k $$k $(CASES) || failed="$$failed $$k"; \
	done; [ -z "$$failed" ] || { echo "check-kernels: not all is well with$$failed"; exit 1; }

# Not part of check: it says whether the tests are right, which changes with them alone.
check-stock: deps user
	@./tests/run -m stock $(if $(K),-k "$(K)") $(CASES)

# Not part of check: it takes too long. vm/debug.config says what the kernel looks for.
check-debug: deps user
	@./vm/deps debug
	@./tests/run -k "$(or $(K),6.1-debug)" $(CASES)

# Not part of check either: each cut takes a boot.
check-powercut: deps user
	@./tests/powercut $(if $(K),-k "$(K)") $(if $(CUTS),-n $(CUTS))

demo: deps user
	@./vm/demo $(ON)

bench: user
	@./vm/deps bench || true # without it there are tables and no plots
	@./bench/bench $(ON)

style: deps
	@./tests/style

# BUILT is a folder that "install/module build" has filled.
install: user
	@./install/user add "$(DESTDIR)"
	@./install/module add $(if $(DESTDIR),-d "$(DESTDIR)") -k "$(KERNEL)" $(if $(BUILT),-b "$(BUILT)")

# Takes nothing from build/. Both, whatever becomes of one.
uninstall:
	@./install/module remove; module=$$?; ./install/user remove && exit $$module

deb: deps-deb
	@./install/deb
	@ls build/deb/*.deb

# Not part of check: it builds them twice. Cases of check-install install them.
check-deb: deps-deb
	@./tests/packages

rpm: deps-rpm
	@./install/rpm
	@ls build/rpm/*.rpm

# Not part of check: nobody uses them yet.
check-rpm: deps-rpm
	@./tests/rpm

clean:
	rm -rf build/user build/asan build/tsan build/fuzz build/vm build/meson.log
	find build -mindepth 1 -maxdepth 1 -type d ! -name kernels -exec rm -rf {} + 2>/dev/null || true

.PHONY: help ahead deps deps-deb deps-rpm deps-user deb rpm user module modules bench check check-boot check-ceph check-deb check-install check-docs check-kernels check-monitoring check-powercut check-rpm check-stock check-tsan check-unit \
	check-vm check-debug demo fuzz style install uninstall clean
