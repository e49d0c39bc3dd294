# What people and CI do with this repository. `make` alone explains itself.

CARGO ?= cargo

# Of the binary that the tests run: places to die at, and the export of spans, which no default build has.
TEST_FEATURES = df-cli/failpoints,df-cli/otel

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install what the build and the tests need, where it is missing
	@./.ci/setup

.PHONY: build
build: ## Build everything
	$(CARGO) build --workspace --all-targets

.PHONY: demo
demo: ## See a workflow survive the death of its relay
	@./.ci/setup demo
	$(CARGO) build --quiet -p df-cli --bin df-relay --example demo
	$(CARGO) run --quiet -p df-cli --example demo

.PHONY: dev
dev: ## A private Postgres with the schema, a relay and psql
	$(CARGO) run --quiet -p df-cli -- dev --psql

.PHONY: test
test: ## Run every test; DF_TEST_ARGS=name picks some
	$(CARGO) build --workspace --bins --features $(TEST_FEATURES)
	$(CARGO) test --workspace --features $(TEST_FEATURES) $(DF_TEST_ARGS)

# One line of measurements: memory, start, and how promptly a signal and a timer are served.
.PHONY: large-waits
large-waits: ## A relay beside a million waiting instances; WAITS=n
	WAITS=$(WAITS) $(CARGO) test -p df-tests --test it a_million -- --ignored --nocapture

.PHONY: torture
torture: ## Kill relays and Postgres at random; SEED=n DURATION=seconds
	$(CARGO) build --workspace --bins --features $(TEST_FEATURES)
	SEED=$(SEED) DURATION=$(DURATION) $(CARGO) test -p df-tests --test it \
		torture -- --ignored --nocapture --test-threads 1

# Not among them: tests of the notification, and those that name what only a session of one's own says.
POOLER_TOPICS = node_types:: control:: node_timeout:: http_nodes:: takeover:: retry_policy:: results:: nesting:: \
	transactions:: shared_signals:: long_walks:: errors:: operator_control:: retention:: inputs:: pooler:: \
	escapes::

.PHONY: pooler
pooler: ## Run the core topics through PgBouncer; SESSIONS=n for each role
	$(CARGO) build --workspace --bins --features $(TEST_FEATURES)
	DF_TEST_POOLER=$(or $(SESSIONS),3) $(CARGO) test -p df-tests --test it -- $(POOLER_TOPICS)

.PHONY: pg-matrix
pg-matrix: ## Run the core suite on PostgreSQL 14 to 18; PG_VERSIONS="14 18" picks some
	CARGO="$(CARGO)" TEST_FEATURES="$(TEST_FEATURES)" ./.ci/pg-matrix

# The relay is the optimised one: what is asked of it here is the meaning, thousands of times.
RELEASE_RELAY = $${CARGO_TARGET_DIR:-$$PWD/target}/release/df-relay

.PHONY: matrix
matrix: ## Run every nesting shape against the reference, in every way
	$(CARGO) build --release -p df-cli --bin df-relay
	DF_RELAY_BINARY=$(RELEASE_RELAY) DF_MATRIX_STRIDE=1 DF_MATRIX_SLOWER=$${DF_MATRIX_SLOWER:-16} \
		$(CARGO) test -p df-tests matrix -- --nocapture --test-threads 2

.PHONY: explore
explore: ## Run random programs; DF_EXPLORE_SEED and _PROGRAMS choose them
	$(CARGO) build --release -p df-cli --bin df-relay
	@seed=$${DF_EXPLORE_SEED:-$$(date +%s)}; echo "seed $$seed"; DF_EXPLORE_SEED=$$seed \
	DF_RELAY_BINARY=$(RELEASE_RELAY) DF_EXPLORE_PROGRAMS=$${DF_EXPLORE_PROGRAMS:-1000} \
		$(CARGO) test -p df-tests explore:: -- --nocapture

.PHONY: inputs
inputs: ## Feed random input to all a role may call; DF_TEST_SEED and _TRIES choose it
	$(CARGO) build --workspace --bins --features $(TEST_FEATURES)
	@seed=$${DF_TEST_SEED:-$$(date +%s)}; echo "seed $$seed"; DF_TEST_SEED=$$seed \
	DF_TEST_TRIES=$${DF_TEST_TRIES:-200} \
		$(CARGO) test --workspace --features $(TEST_FEATURES) --test it inputs:: -- --nocapture

.PHONY: golden
golden: ## Write tests/golden anew
	DF_GOLDEN_WRITE=1 $(CARGO) test -p df-tests golden::

.PHONY: upgrade-data
upgrade-data: ## Write tests/data/version_N.sql, what upgrades start from, anew
	$(CARGO) build --workspace --bins --features $(TEST_FEATURES)
	$(CARGO) test --workspace --features $(TEST_FEATURES) --test it -- --ignored the_dump_of_this_version

.PHONY: lint
lint: ## Check formatting, lints and dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features $(TEST_FEATURES) -- -D warnings
	@if ! command -v cargo-deny >/dev/null; then \
		echo "lint: cargo-deny is not installed, so dependencies were not checked (cargo install cargo-deny)"; \
	else $(CARGO) deny --all-features --log-level error check bans licenses sources || exit 1; \
		if $(CARGO) deny --all-features --log-level off fetch db >/dev/null 2>&1; \
		then $(CARGO) deny --all-features --log-level error check --disable-fetch advisories; \
		else echo "lint: the advisory database is out of reach, so advisories were not checked"; fi; fi

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: bench
bench: ## Measure beside plain transactions; QUICK=1 takes under three minutes, BENCH_ARGS="--database-url …"
	@mkdir -p .dev
	$(CARGO) run --release --quiet -p df-cli --bin df-relay -- bench $(if $(QUICK),--quick) \
		--json .dev/bench.json --svg .dev/bench.svg $(BENCH_ARGS)

FUZZ_SECONDS ?= 300

.PHONY: fuzz
fuzz: ## Fuzz the pure parsers, FUZZ_SECONDS each (nightly, cargo install cargo-fuzz)
	@cd crates/df-graph && for target in graph substitution cron config; do \
		$(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 || exit 1; done

.PHONY: coverage
coverage: ## Which lines of the engine the generated programs reach
	@./.ci/coverage
