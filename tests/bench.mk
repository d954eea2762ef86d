# SPDX-License-Identifier: MIT
# What `make bench` needs; its recipe stands in tests/targets.mk.

.PHONY: bench deps-bench
bench: deps-bench $(O)/tests/bench/load

$(O)/tests/bench/load: tests/bench/load.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	@$(CC) $(BASE_FLAGS) -O2 $< -o $@

deps-bench: ## Debian packages that the comparison needs
	$(call install,postfix dovecot-imapd dovecot-lmtpd openssl)
