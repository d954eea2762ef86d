# SPDX-License-Identifier: MIT
# What `make bench` needs; its recipe stands in tests/targets.mk.

.PHONY: bench deps-bench
bench: deps-bench $(O)/tests/bench/load

$(O)/tests/bench/load $(O)/tests/bench/ask: $(O)/tests/bench/%: \
		tests/bench/%.c tests/measure.h
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(BASE_FLAGS) -O2 $< -o $@

deps-bench: ## Debian packages that the comparison needs
	$(call install,postfix dovecot-imapd dovecot-lmtpd openssl)

# A spool full of deferred messages, by the queue's own encoding.
$(O)/tests/bench/spoolfill: $(O)/tests/bench/spoolfill.c.o $(O)/mta.a $(O)/lib.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(CC) -o $@ $^ $(REL_LINK) $(LIBS)

.PHONY: deferred
deferred: all $(O)/tests/bench/spoolfill ## 200,000 deferred messages: time and memory
	@DEFERRED_MESSAGES=200000 tests/scenario/deferred.py --build release
