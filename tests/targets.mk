# SPDX-License-Identifier: MIT
# Everything but the programs: the lab, tests, fuzzing, packages, checks.
# A line "target: ## text" is what make help prints.

-include tests/docker.mk tests/bench.mk tests/clients.mk tests/contain.mk \
	tests/model.mk tests/powercut.mk

JOBS ?= $(shell nproc)
TIME ?= 60
T ?=
PYTHON ?= python3
FZ := $(BUILD)/fuzz
SUBMAKE = $(MAKE) --no-print-directory -j$(JOBS)

# ---- packages -------------------------------------------------------------

DEPS := curl gcc libc6-dev libcrypt-dev libidn2-dev libinih-dev libpcre2-dev \
	libseccomp-dev libssl-dev libunbound-dev libunistring-dev libuv1-dev \
	make pkg-config python3 dns-root-data zlib1g-dev
DEPS_TEST := $(DEPS) alpine bsdutils clang clang-format fetchmail gcovr \
	getmail6 gsasl haproxy iproute2 iptables isync libclang-rt-14-dev \
	libcmocka-dev libnet-ssleay-perl libsasl2-modules neomutt offlineimap3 openssl patch pflogsumm \
	postfix postfix-pcre strace swaks util-linux

# A quick nothing when all are there; not root: says what to type. Servers that
# come with it (Postfix, HAProxy, Dovecot) are not started, now or at boot: the
# tests run instances of their own.
define install
	@missing=; for p in $(1); do \
		dpkg-query -W -f='$${Status}' $$p 2>/dev/null \
			| grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	line="apt-get install -y --no-install-recommends$$missing"; \
	if [ "$$(id -u)" -ne 0 ]; then echo "as root: $$line"; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	policy=/usr/sbin/policy-rc.d; \
	[ -e $$policy ] && policy= || { \
		printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; }; \
	apt-get update -q && $$line; code=$$?; \
	[ -z "$$policy" ] || rm -f $$policy; \
	for p in $$missing; do \
		[ -e /lib/systemd/system/$$p.service ] || continue; \
		systemctl disable -q $$p 2>/dev/null || true; \
	done; \
	exit $$code
endef

.PHONY: deps deps-test
deps: ## Debian packages that building and the lab need
	$(call install,$(DEPS))
deps-test: ## Debian packages that the tests need
	$(call install,$(DEPS_TEST))

# ---- the lab --------------------------------------------------------------

.PHONY: lab lab-up lab-down lab-deps
# Only what the programs need; PYTHON and make are there already.
lab-deps:
	@$(MAKE) --no-print-directory deps
	@$(SUBMAKE) -s all
lab: lab-deps ## both hosts on loopback, mail both ways; until Ctrl-C
	@$(PYTHON) tests/lab/lab.py run
lab-up: lab-deps ## the same hosts in the background
	@$(PYTHON) tests/lab/lab.py up
lab-down: ## ends them
	@$(PYTHON) tests/lab/lab.py down

# ---- tests ----------------------------------------------------------------

FUZZ_NAMES := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=%)
REPLAYS := $(FUZZ_NAMES:%=$(D)/replay/%)
ARCHIVES = $(1)/mta.a $(1)/router.a $(1)/mda.a $(1)/ctl.a $(1)/lib.a

# Each fuzz target once more, with a main() that feeds it files.
$(D)/replay/%: $(D)/tests/fuzz/fuzz_%.c.o $(D)/tests/fuzz/replay.c.o \
		$(call ARCHIVES,$(D))
	@mkdir -p $(@D)
	@$(CC) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(DEV_LINK) $(LIBS)
# No target: what readers cost when their input grows.
$(D)/growth: $(D)/tests/fuzz/growth.c.o $(call ARCHIVES,$(D))
	@$(CC) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(DEV_LINK) $(LIBS)
$(D)/tests/fuzz/%.c.o: DEV_FLAGS += -Wno-missing-prototypes

.PHONY: test crash partition units replays
units: $(TESTS)
replays: $(REPLAYS) $(D)/growth
test: ## all tests (T=word: those whose name has it)
	@$(MAKE) --no-print-directory deps-test
	@$(PYTHON) tests/run.py --jobs $(JOBS) $(if $(T),--only '$(T)')
partition: ## the network between two hosts breaks, at every step (root)
	@$(SUBMAKE) -s all
	@$(PYTHON) tests/scenario/partition.py --full
crash: ## 200 random kill -9 under load, and the ledger
	@$(SUBMAKE) -s all
	@$(PYTHON) tests/crash/kill.py --kills 200

# ---- fuzzing --------------------------------------------------------------

FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_CFLAGS := -std=gnu11 -D_GNU_SOURCE -I. -DESTAFETA_SANITIZED -g -O1 \
	-fno-omit-frame-pointer
# What a target includes decides what it is linked with.
fuzz_parts = $(shell grep -ho '"\(mta\|mda\|router\)/' \
	tests/fuzz/fuzz_$(1).c | tr -d '"/' | sort -u)

$(FZ)/lib.a: $(call obj,$(FZ),$(LIB_SRC) $(LIB_ASM))
$(FZ)/mta.a: $(call part_obj,$(FZ),$(MTA_SRC))
$(FZ)/router.a: $(call part_obj,$(FZ),$(ROUTER_SRC))
$(FZ)/mda.a: $(call part_obj,$(FZ),$(MDA_SRC))
$(FZ)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^
$(FZ)/tests/fuzz/%.c.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	@$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link \
		-MMD -MP -c $< -o $@
$(FZ)/%.c.o: %.c
	@mkdir -p $(@D)
	@$(CLANG) $(FUZZ_CFLAGS) $(FUZZ_SAN) -fsanitize=fuzzer-no-link \
		-MMD -MP -c $< -o $@
$(FZ)/%.S.o: %.S
	@mkdir -p $(@D)
	@$(CLANG) -I. -g -c $< -o $@
.SECONDEXPANSION:
$(FZ)/bin/%: $(FZ)/tests/fuzz/fuzz_%.c.o \
		$$(foreach p,$$(call fuzz_parts,$$*),$(FZ)/$$(p).a) \
		$(FZ)/lib.a
	@mkdir -p $(@D)
	@$(CLANG) -fsanitize=fuzzer $(FUZZ_SAN) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

.PHONY: fuzz fuzz-all
fuzz: ## one target: make fuzz F=smtp_command TIME=60
	@[ -f 'tests/fuzz/fuzz_$(F).c' ] || { \
		echo "F= one of: $(FUZZ_NAMES)"; exit 2; }
	@$(SUBMAKE) $(FZ)/bin/$(F)
	@tests/fuzz/run $(FZ) $(F) $(TIME)
fuzz-all: TIME = 180
fuzz-all: ## every target, TIME seconds each; says runs and edges
	@$(SUBMAKE) $(FUZZ_NAMES:%=$(FZ)/bin/%)
	@failed=0; for f in $(FUZZ_NAMES); do \
		tests/fuzz/run $(FZ) $$f $(TIME) || failed=1; \
	done; exit $$failed

# ---- checks ---------------------------------------------------------------

.PHONY: bench testssl deps-testssl lint format coverage help
bench: ## side by side with Postfix + Dovecot
	@if [ -x tests/bench/run ]; then $(SUBMAKE) all && tests/bench/run; \
	else echo "no tests/bench/run yet"; exit 1; fi
deps-testssl: ## testssl.sh
	$(call install,testssl.sh)
testssl: deps-testssl ## testssl.sh at all TLS ports: no finding; takes minutes
	@$(SUBMAKE) all && $(PYTHON) tests/testssl/testssl.py
lint: ## include arrows, headers alone, rename and fsync, format
	@$(PYTHON) tests/lint/lint.py
format: ## clang-format over all C files
	@find lib mta router mda ctl tests -name '*.[ch]' -print0 \
		| xargs -0 clang-format -i
coverage: ## line and branch coverage of the unit tests
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/coverage \
		CFLAGS=--coverage units
	@cd $(BUILD)/coverage && for t in $$(find dev/test -name '*_test'); do \
		(cd $(CURDIR) && $(BUILD)/coverage/$$t >/dev/null 2>&1) \
			|| echo "failed: $$t"; \
	done
	@gcovr -r . --object-directory $(BUILD)/coverage \
		--exclude '.*_test\.c' --exclude 'tests/.*' --branches \
		--txt $(BUILD)/coverage/branches.txt
	@gcovr -r . --object-directory $(BUILD)/coverage \
		--exclude '.*_test\.c' --exclude 'tests/.*'
help: ## this list
	@echo "  make         the release build"
	@echo "  make dev     the build with sanitizers and -Werror"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile tests/*.mk | sort \
		| awk -F'\t' '{ printf "  %-12s %s\n", $$1, $$2 }'
	@echo "  test-docker  the compose lab with Roundcube in a browser"
	@echo "  deps-docker  what test-docker needs"
