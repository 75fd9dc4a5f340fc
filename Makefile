# The front door. Meson and ninja do the work; every target here is a few commands you could type.
BUILD ?= build
PREFIX ?= /usr/local
MESON_FLAGS ?=
DEMO_OUT ?= out/first-light
FINDINGS_OUT ?= out/findings

.PHONY: all setup deps demo test faults findings install uninstall bench asan fuzz format lint parity help

all: setup ## build the program: build/sinkscope
	@ninja -C $(BUILD)
	@ln -sf cli/sinkscope $(BUILD)/sinkscope

setup: deps
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_FLAGS)

deps: ## install the Debian packages that are missing (root or sudo)
	@tools/install-packages

demo: all ## run studies/first-light.yaml on the model that ships, print the answer, write the report
	@if [ -f $(DEMO_OUT)/manifest.json ]; then $(BUILD)/sinkscope resume $(DEMO_OUT); \
	else $(BUILD)/sinkscope run studies/first-light.yaml -o $(DEMO_OUT); fi
	@$(BUILD)/sinkscope report $(DEMO_OUT)

test: ## build with warnings as errors, run every test; last line: N passed, N failed
	@$(MAKE) --no-print-directory all MESON_FLAGS='$(MESON_FLAGS) -Dwerror_ci=true' BUILD=build-test
	@tests/run build-test --locales

pages: all ## install chromium, look at every page that the program writes in it; afterwards make test does so too
	@tools/install-packages chromium
	@meson test -C $(BUILD) --no-rebuild --print-errorlogs -t 5 --suite pages

findings: all ## run studies/paper and studies/beyond on the model that ships, write docs/FINDINGS.md (hours; resumable)
	@FINDINGS_LIMIT='$(FINDINGS_LIMIT)' FINDINGS_STUDIES='$(FINDINGS_STUDIES)' tools/findings $(BUILD)/sinkscope $(FINDINGS_OUT)

install: all ## install under PREFIX (DESTDIR is honoured)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

uninstall: ## remove what install put there
	@ninja -C $(BUILD) uninstall

bench: all ## benchmarks against peers (bench/README.md)
	@bench/run $(BUILD)

asan: ## the whole suite under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory all BUILD=build-asan MESON_FLAGS='-Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized'
	@ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TIMEOUT_FACTOR=6 tests/run build-asan

fuzz: ## libFuzzer targets of everything that reads a file (clang); FUZZ_SECONDS each (default 60)
	@tools/install-packages clang libclang-rt-14-dev
	@tests/fuzz/run $(or $(FUZZ_SECONDS),60)

format: ## clang-format every source
	@tools/install-packages clang-format
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format -i

lint: ## clang --analyze and gcc -fanalyzer over every source (LINT: folders or files)
	@tools/install-packages clang
	@tools/lint -t "clang gcc" $(LINT)

faults: ## memory, then files, fail once at every point of every command (FAULTS: flags of tests/faults/sweep.c)
	@$(MAKE) --no-print-directory all BUILD=build-faults MESON_FLAGS='$(MESON_FLAGS) -Ddebug=true'
	@build-faults/tests/faults/sweep build-faults tests/data --jobs $(or $(FAULTS_JOBS),2) $(FAULTS)

parity: all ## compare with diffusers and transformers (needs Python packages: tests/parity/run)
	@tests/parity/run $(BUILD) $(GENEVAL)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18
