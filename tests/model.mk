# SPDX-License-Identifier: MIT
# Programs in C that tests drive the servers with.

MODEL_SRC := $(wildcard tests/model/*.c)
TEST_TOOLS := $(O)/tests/smtp_model

# OpenSSL alone: they share no code with what they test.
$(O)/tests/smtp_model: $(MODEL_SRC) $(wildcard tests/model/*.h)
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(BASE_FLAGS) -O2 $(MODEL_SRC) -o $@ -lssl -lcrypto

.PHONY: test-tools model
test-tools: $(TEST_TOOLS)
N ?= 20000
model: ## random SMTP against a reference model: make model N=1000000
	@$(SUBMAKE) -s all test-tools
	@MODEL_COMMANDS=$(N) $(PYTHON) tests/scenario/smtp_model.py --show
