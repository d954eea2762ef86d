# SPDX-License-Identifier: MIT
# The compose lab with Roundcube in a browser.

.PHONY: test-docker deps-docker
test-docker:
	@tests/docker/run

# node and npm may come from elsewhere than Debian: only what is missing.
deps-docker:
	@want=; \
	for pair in docker:docker.io dockerd:docker.io \
		docker-compose:docker-compose debootstrap:debootstrap \
		chromium:chromium node:nodejs npm:npm; do \
		PATH="$$PATH:/usr/sbin" command -v $${pair%%:*} >/dev/null \
			|| want="$$want $${pair#*:}"; \
	done; \
	line="apt-get install -y --no-install-recommends$$want"; \
	if [ -z "$$want" ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then echo "as root: $$line"; exit 1; fi; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive $$line
