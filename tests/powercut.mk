# SPDX-License-Identifier: MIT
# Power cuts on file systems of their own, and mutants that must be noticed.

N ?= 50
.PHONY: powercut mutants
powercut: ## N power cuts under load, and the ledger (root, loop mounts)
	@$(SUBMAKE) all
	@$(PYTHON) tests/crash/powercut.py --cuts $(N)
mutants: ## each fsync taken away, over-reads planted: a test must fail
	@tests/mutants/run
