# SPDX-License-Identifier: MIT
# Programs in C that tests drive the servers with.

MODEL_SRC := $(wildcard tests/model/*.c)
TEST_TOOLS := $(O)/tests/smtp_model $(O)/tests/slow \
	$(O)/tests/bench/spoolfill $(O)/tests/moved.so $(O)/tests/idle \
	$(O)/tests/storm $(O)/tests/bench/ask

# OpenSSL alone: they share no code with what they test.
$(O)/tests/smtp_model: $(MODEL_SRC) $(wildcard tests/model/*.h)
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(BASE_FLAGS) -O2 $(MODEL_SRC) -o $@ -lssl -lcrypto

$(O)/tests/storm: tests/slow/storm.c tests/measure.h
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(BASE_FLAGS) -O2 $< -o $@

$(O)/tests/idle: tests/slow/idle.c tests/measure.h
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(BASE_FLAGS) -O2 $< -o $@ -lssl -lcrypto

$(O)/tests/slow: tests/slow/slow.c tests/measure.h
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(BASE_FLAGS) -O2 $< -o $@

$(O)/tests/moved.so: tests/clock/moved.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(filter-out -Wmissing-prototypes,$(BASE_FLAGS)) -O2 -shared \
		-fPIC $< -o $@

.PHONY: test-tools model model-imap imapstress idle storm rows slow timing
test-tools: $(TEST_TOOLS)
N ?= 20000
model: ## random SMTP against a reference model: make model N=1000000
	@$(SUBMAKE) -s all test-tools
	@MODEL_COMMANDS=$(N) $(PYTHON) tests/scenario/smtp_model.py --show
model-imap: ## random IMAP against a reference: make model-imap N=1000000
	@$(SUBMAKE) -s all
	@IMAP_COMMANDS=$(N) $(PYTHON) tests/scenario/imap_model.py --show
MINUTES ?= 10
imapstress: ## 100 IMAP clients, mail, and kill -9 once a minute: MINUTES=10
	@$(SUBMAKE) -s all
	@$(PYTHON) tests/interop/imapstress --minutes $(MINUTES)
idle: ## idle IMAP connections, memory of each and delay: make idle N=20000
	@$(SUBMAKE) -s all test-tools
	@IDLE_CLIENTS=$(N) $(PYTHON) tests/scenario/idle_many.py
storm: ## wrong passwords by the hundred, and users who must not notice
	@$(SUBMAKE) -s all test-tools
	@STORM_SECONDS=30 $(PYTHON) tests/scenario/login_storm.py
timing: ## unknown users by the clock, Welch's t: make timing N=20000
	@$(SUBMAKE) -s all
	@TIMED_LOGINS=$(N) $(PYTHON) tests/scenario/auth_rows.py --only clock
rows: ## the catalogue of attacks: which test names which row
	@$(PYTHON) tests/lint/test_rows --show
slow: ## slow clients and 100 good ones: make slow N=10000
	@$(SUBMAKE) -s all test-tools
	@SLOW_CLIENTS=$(if $(filter 20000,$(N)),10000,$(N)) \
		$(PYTHON) tests/scenario/slow_clients.py --show
