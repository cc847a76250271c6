# Each target sets up what it needs: a virtual environment in .venv with the locked versions.
# PYTHON must be 3.11 or later.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CONFIG ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
BUILD_TOOLS := $(if $(wildcard $(VENV)/.installed-dev),$(VENV)/.installed-dev,$(VENV)/.installed-run)
# Each start of a server would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE
COMPILED_UNITS := $(addprefix tests/unit/resolver/,answering cache upstream wire) \
  $(wildcard tests/unit/resolver/listeners/test_http2_*.py) tests/unit/resolver/listeners/test_udp_readers.py
SERVERS := -n 4 --dist loadfile --no-loadscope-reorder
UNITS := --dist worksteal -p no:schemathesis tests/unit
PAGES := tests/end_to_end/pages
FAULTS := tests/faults
# Where tests write: in memory, if a GiB is free there and programs may be started from there. A disk would be waited for,
# since all that is to outlive a crash is synced.
IN_MEMORY = $(shell $(BIN)/python -c 'import os; shm = os.statvfs("/dev/shm"); \
  print("/dev/shm" * (shm.f_bavail * shm.f_frsize > 1 << 30 and not shm.f_flag & os.ST_NOEXEC))' 2>/dev/null)
PEERS := tests/peers tests/deploy
COMPILED_WHOLE := $(addprefix tests/end_to_end/test_,blocked_names.py doh.py dot.py edns.py malformed_packets.py tcp.py upstreams.py) \
  tests/faults/test_upstreams_that_fail.py

.PHONY: run machine quick test test-pages test-faults test-peers test-servers test-load test-compiled check collected prove bench bench-smoke screenshots compiled lock clean

run: $(VENV)/.installed-run
	@echo "moatdns will listen on 127.0.0.1:5300 and [::1]:5300 unless its config says otherwise. In another terminal, try"
	@echo "    dig @127.0.0.1 -p 5300 claude.ai                  # blocked: 0.0.0.0, and why"
	@echo "    dig @127.0.0.1 -p 5300 www.example.com            # forwarded to this machine's resolver"
	@echo "    $(BIN)/moatdns explain claude.ai$(if $(CONFIG), --config $(CONFIG))                 # the whole why of a decision"
	@echo "The web pages: http://127.0.0.1:8053/, the admin API: http://127.0.0.1:8053/docs; the token is in state_dir/admin.token"
	@echo "    $(BIN)/moatdns login-link$(if $(CONFIG), --config $(CONFIG))                        # a link that signs in to the pages once"
	@echo "An exempt group: 'make run CONFIG=moatdns.example.yaml', then"
	@echo "    dig @127.0.0.1 -p 5300 -b 127.0.0.2 claude.ai     # the upstream's answer"
	@echo "Ctrl-C ends it."
	@$(BIN)/moatdns serve $(if $(CONFIG),--config $(CONFIG))

# Debian packages of the tests: real servers and clients, a compiler, a browser.
machine:
	@tests/set-up-machine

# Tells in a minute that a change is right: all but browsers, PostgreSQL, compiled wheels and whole servers.
quick: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 3 -m "not (postgres or slow)" $(UNITS)

test: export PYTEST_DEBUG_TEMPROOT ?= $(IN_MEMORY)
test: machine $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 4 $(UNITS)
	$(BIN)/python -m pytest $(SERVERS) -m "not alone" tests/end_to_end --ignore $(PAGES)

# The web pages in Chromium: what they do, and that each is readable on a phone, in the dark and by a screen reader.
test-pages: machine $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SERVERS) $(PAGES)

# Whole servers that are killed, damaged, started again, late or attacked, and upstreams, lists, feeds and stores that fail.
test-faults: machine $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SERVERS) $(FAULTS)

# Beside unbound, dnsdist, Knot Resolver, NSD, Chromium's own resolver, openssl's CAs and schemathesis; VPN servers'
# hooks, units, the installation.
test-peers: machine $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SERVERS) $(PEERS)

# These three in one run: the cores wait for one last file and not for three, and each process imports all once.
test-servers: machine $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(SERVERS) $(PAGES) $(FAULTS) $(PEERS)

# Short forms of `make prove`, one after the other: each has the machine to itself.
test-load: machine $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m alone --ignore tests/unit

# The compiled wheel's answers are those of the modules that it is made of: their own tests, and the tests of a whole
# server whose queries take most turns.
test-compiled: machine $(VENV)/.installed-dev $(VENV)/compiled/.installed
	$(VENV)/compiled/bin/python -P -m pytest -n 4 --dist worksteal -p no:schemathesis -o pythonpath= \
	  -m "not interpreted_only" $(COMPILED_UNITS)
	MOATDNS_PYTHON=$(VENV)/compiled/bin/python $(BIN)/python -m pytest $(SERVERS) $(COMPILED_WHOLE)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m blocklists.lint

# All tests are imported once, and pytest keeps what it made of them: after a fresh checkout each process of a run would
# do that by itself.
collected: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -qq --collect-only tests > $(VENV)/collected || { cat $(VENV)/collected; exit 1; }

prove: machine $(VENV)/.installed-dev
	$(BIN)/python -m prove

# moatdns beside other servers, on an otherwise idle machine, in 40 minutes at most: dist/performance.json and .svg, which
# `python -m bench.document` brings into docs/performance.md. QUICK=1: a look of five minutes.
bench: machine $(VENV)/.installed-dev dist/.compiled
	$(BIN)/python -m bench.compare $(if $(QUICK),--quick) --compiled dist/*.whl --json dist/performance.json --svg dist/performance.svg

# Fails when a ratio to another server is twice the one in bench/recorded.json.
bench-smoke: machine $(VENV)/.installed-dev $(VENV)/compiled/.installed
	$(BIN)/python -m bench.smoke --compiled $(VENV)/compiled

# Each web page in a real browser, light, dark and on a phone: screenshots/*.png.
screenshots: $(VENV)/.installed-dev
	$(BIN)/python -m tests.screenshots screenshots

# A wheel whose query path is compiled (hatch_build.py): dist/moatdns-*.whl. Needs a C compiler and Python's headers.
compiled: dist/.compiled
	@ls dist/*.whl

dist/.compiled: hatch_build.py pyproject.toml $(shell find moatdns resolver blocklists admin_api -type f -not -name '*.pyc') | $(BUILD_TOOLS)
	rm -f dist/*.whl
	MOATDNS_COMPILE=1 $(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .
	@touch $@

$(VENV)/compiled/.installed: dist/.compiled
	rm -rf $(VENV)/compiled
	$(BIN)/python -m bench.compiled dist/*.whl $(VENV)/compiled
	@touch $@

# The locks hold names, versions and hashes only: what runs, what builds and installs it, what develops it.
LOCK := pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-trusted-host \
  --no-emit-find-links --no-header
lock: $(VENV)/.installed-dev
	$(PIP) install 'pip-tools>=7.4'
	$(BIN)/$(LOCK) --extra postgres --output-file requirements.txt pyproject.toml
	$(BIN)/$(LOCK) --output-file requirements-build.txt build-requirements.in
	$(BIN)/$(LOCK) --extra dev --constraint requirements.txt --constraint requirements-build.txt \
	  --output-file requirements-dev.txt pyproject.toml build-requirements.in

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed-run: requirements.txt requirements-build.txt pyproject.toml | $(VENV)/.made
	$(PIP) install --require-hashes -r requirements.txt -r requirements-build.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt pyproject.toml | $(VENV)/.made
	$(PIP) install --require-hashes -r requirements-dev.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
