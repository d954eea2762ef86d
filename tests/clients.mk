# SPDX-License-Identifier: MIT
# Mail programs of other people against ours: tests/scenario/clients*.py and
# tests/interop/clients/.

DEPS_CLIENTS := alpine curl fetchmail getmail6 imapfilter isync \
	libsasl2-modules mpop msmtp neomutt offlineimap3 s-nail thunderbird

.PHONY: deps-clients clients-big
# node and npm may come from elsewhere than Debian: only what is missing.
deps-clients: ## mail programs that clients-big drives
	$(call install,$(DEPS_CLIENTS) $(foreach p,node:nodejs npm:npm,$(shell \
		command -v $(firstword $(subst :, ,$(p))) >/dev/null 2>&1 \
		|| echo $(lastword $(subst :, ,$(p))))))
	@[ -d $(BUILD)/npm-clients/node_modules/imapflow ] \
		|| npm install --prefix $(BUILD)/npm-clients --no-save \
		--no-audit --no-fund --ignore-scripts imapflow@2.1.2

clients-big: deps-clients ## each client with a mailbox of 10,000 messages
	@$(SUBMAKE) -s all
	@CLIENTS_MESSAGES=10000 $(PYTHON) tests/scenario/clients_sync.py
	@$(PYTHON) tests/scenario/clients_read.py
	@$(PYTHON) tests/interop/clients/thunderbird.py
