# memtrace-bpf: `make help` lists the targets. V=1 shows the commands. Everything made lies under build/.
MAKEFLAGS += --no-builtin-rules
# Sanitized objects (SANITIZE=-fsanitize=address,undefined) do not mix with the others.
SANITIZE ?=
B       := build$(if $(SANITIZE),/sanitized)
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' $(1) $(2))

PREFIX  ?= /usr/local
DESTDIR ?=
CXX     := $(if $(filter default,$(origin CXX)),g++,$(CXX))
# The newest compiler and its own tools; any clang since 14 will do.
first    = $(firstword $(foreach name,$(1),$(shell command -v $(name) 2>/dev/null)))
VERSIONS := -22 -21 -20 -19 -18 -17 -16 -15 -14
CLANG   ?= $(or $(call first,$(addprefix clang,$(VERSIONS)) clang),clang)
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/bin/bpftool) bpftool)
LLVM_STRIP ?= $(or $(call first,$(subst clang,llvm-strip,$(notdir $(CLANG))) llvm-strip $(addprefix llvm-strip,$(VERSIONS))),llvm-strip)
CLANG_FORMAT ?= clang-format
CLANG_TIDY ?= clang-tidy
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
VERSION := 0.1.0

CPPFLAGS := -Iuserspace -Icli -Ibpf -I$(B)/gen -I. -Itests -DMEMTRACE_VERSION='"$(VERSION)"' -D_GNU_SOURCE
CXXFLAGS ?= -O2 -g
override CXXFLAGS += -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers -fno-omit-frame-pointer
LDLIBS   := -lbpf -lZydis -ldw -lelf -lz -lfmt -lncursesw -ldl
# Catch2 3 is a library; Catch2 2 is headers only.
CATCH_LIBS := $(if $(wildcard /usr/include/catch2/catch_all.hpp /usr/local/include/catch2/catch_all.hpp),-lCatch2)
override CXXFLAGS += $(SANITIZE)
override LDFLAGS  += $(SANITIZE)

LIB_SRC  := $(sort $(wildcard userspace/*/*.cpp))
CLI_SRC  := $(sort $(wildcard cli/*.cpp) $(wildcard cli/*/*.cpp))
UNIT_SRC := $(sort $(wildcard tests/unit/*.cpp) $(wildcard tests/unit/*/*.cpp)) tests/support/main.cpp
BENCH_SRC := $(sort $(wildcard bench/*.cpp))
obj       = $(patsubst %.cpp,$(B)/obj/%.o,$(1))

all: $(B)/memtrace-bpf   ## Build build/memtrace-bpf (the default; also: build)
build: all
.PHONY: all build

# ---- the kernel side --------------------------------------------------------------------------------------------------

BPF_CFLAGS := -g -O2 -Wall -Wextra -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Ibpf -I/usr/include/$(shell $(CXX) -print-multiarch 2>/dev/null)
BPF_HEADERS := $(wildcard bpf/*.h)
SKELETONS  := $(B)/gen/memtrace.skel.h $(B)/gen/calibrate.skel.h

# Says which package is missing before a compiler complains about a header.
$(B)/.dependencies $(B)/.test-dependencies: scripts/install-deps
	@mkdir -p $(@D)
	$(Q)scripts/install-deps --check $(if $(findstring test,$(@F)),--tests)
	@touch $@

define bpf_object
$(call say,BPF,$<)
@mkdir -p $(@D)
$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
$(Q)$(LLVM_STRIP) -g $@
endef
$(B)/gen/%.bpf.o: bpf/%.bpf.c $(BPF_HEADERS) | $(B)/.dependencies
	$(bpf_object)
$(B)/gen/%.bpf.o: bench/%.bpf.c $(BPF_HEADERS) | $(B)/.dependencies
	$(bpf_object)

$(B)/gen/%.skel.h: $(B)/gen/%.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

# ---- the user side ----------------------------------------------------------------------------------------------------

$(B)/obj/%.o: %.cpp | $(SKELETONS)
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@
$(call obj,$(BENCH_SRC)): | $(B)/gen/memleak.skel.h

# Catch2 is most of what a test's compiler reads: it is read once. Tests run for moments, so optimising them takes longer than it saves.
CATCH_PCH  := $(B)/pch/catch.hpp
TEST_FLAGS := $(patsubst -O2,-O1,$(patsubst -g,-g1,$(CXXFLAGS))) -Wno-array-bounds # which GCC 12 sees in std::string
TEST_OBJ   := $(filter-out $(B)/obj/tests/support/main.o,$(call obj,$(wildcard tests/*/*.cpp tests/unit/*/*.cpp)))
$(TEST_OBJ): private CPPFLAGS += -include $(CATCH_PCH)
$(TEST_OBJ): private override CXXFLAGS := $(TEST_FLAGS)
$(TEST_OBJ): $(CATCH_PCH).gch
$(CATCH_PCH).gch: tests/support/catch.hpp | $(B)/.test-dependencies
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	@echo '#include "support/catch.hpp"' > $(CATCH_PCH)
	$(Q)$(CXX) $(CPPFLAGS) $(TEST_FLAGS) -x c++-header $(CATCH_PCH) -o $@

$(B)/libmemtrace.a: $(call obj,$(LIB_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/memtrace-bpf: $(call obj,$(CLI_SRC)) $(B)/libmemtrace.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/unit-tests: $(call obj,$(UNIT_SRC)) $(B)/libmemtrace.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $^ $(LDLIBS) $(CATCH_LIBS) -o $@

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
.DELETE_ON_ERROR:

# Where the distribution's Python looks for modules of this prefix.
PYTHON_VERSION := $(shell /usr/bin/python3 -c 'import sys; print("python3.%d" % sys.version_info[1])' 2>/dev/null || echo python3)
PYTHON_MODULES ?= $(PREFIX)/lib/$(if $(filter /usr,$(PREFIX)),python3,$(PYTHON_VERSION))/$(if $(wildcard /etc/debian_version),dist-packages,site-packages)

install: all   ## Install program, Python module, man page and completion under DESTDIR/PREFIX (/usr/local)
	$(Q)install -D -m 755 $(B)/memtrace-bpf $(DESTDIR)$(PREFIX)/bin/memtrace-bpf
	$(Q)install -D -m 644 include/memtrace_mark.h $(DESTDIR)$(PREFIX)/include/memtrace_mark.h
	$(Q)install -D -m 644 docs/memtrace-bpf.1 $(DESTDIR)$(PREFIX)/share/man/man1/memtrace-bpf.1
	$(Q)install -D -m 644 completions/memtrace-bpf.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/memtrace-bpf
	$(Q)install -d $(DESTDIR)$(PYTHON_MODULES)/memtrace_bpf
	$(Q)install -m 644 python/memtrace_bpf/*.py python/memtrace_bpf/py.typed $(DESTDIR)$(PYTHON_MODULES)/memtrace_bpf
.PHONY: install

demo:   ## Watch a bundled Python service leak: about 25 s, root or sudo
	@scripts/install-deps
	@$(MAKE) --no-print-directory all
	@scripts/demo $(B)
.PHONY: demo

# ---- tests ------------------------------------------------------------------------------------------------------------

-include tests/tests.mk
TEST_PROGRAMS := unit-tests python-tests $(if $(KERNEL_SRC),kernel-tests) $(if $(E2E_SRC),e2e-tests)
$(call obj,$(UNIT_SRC) $(E2E_SRC)): | $(B)/.test-dependencies
RUN_TESTS := scripts/run-tests --build $(B)

test:   ## Install what is missing, build, run every test; the last line is the sum
	@scripts/install-deps --tests
	@$(MAKE) --no-print-directory test-programs
	@$(RUN_TESTS) $(TEST_PROGRAMS)
test-programs: all $(addprefix $(B)/,$(TEST_PROGRAMS)) $(WORKLOADS)
test-unit: $(B)/unit-tests   ## The tests that need no root
	@$(RUN_TESTS) unit-tests
test-python: $(B)/python-tests   ## The tests of the Python module, in every Python there is
	@$(RUN_TESTS) python-tests
test-kernel: $(B)/kernel-tests $(WORKLOADS)   ## The tests that look into the kernel's tables: root or sudo
	@$(RUN_TESTS) kernel-tests
test-e2e: all $(B)/e2e-tests $(WORKLOADS)   ## The tests that trace real programs: root or sudo
	@$(RUN_TESTS) e2e-tests
.PHONY: test test-programs test-unit test-python test-kernel test-e2e

test-matrix: all $(B)/matrix-tests   ## Every CPython found, and PYTHONS=PATH:ROOT!PATH:..., against its own tracemalloc (PIECES=50000)
	@$(AS_ROOT) env "HOME=$(HOME)" $(if $(PYTHONS),"PYTHONS=$(PYTHONS)") $(if $(PIECES),"PIECES=$(PIECES)") $(B)/matrix-tests
.PHONY: test-matrix

# Every program as it may be configured, compiled by every clang there is.
VERIFY_CLANGS := $(sort $(foreach version,$(VERSIONS),$(notdir $(shell command -v clang$(version) 2>/dev/null))))
VERIFY_CLANGS := $(or $(VERIFY_CLANGS),clang)
VERIFY_OBJECTS := $(foreach compiler,$(VERIFY_CLANGS),$(foreach object,memtrace calibrate,$(B)/verify/$(compiler)/$(object).bpf.o))
define verify_rule
$(B)/verify/$(1)/%.bpf.o: bpf/%.bpf.c $$(BPF_HEADERS) | $$(B)/.dependencies
	$$(call say,BPF,"$$< ($(1))")
	@mkdir -p $$(@D)
	$$(Q)$(1) $$(BPF_CFLAGS) -c $$< -o $$@
endef
$(foreach compiler,$(VERIFY_CLANGS),$(eval $(call verify_rule,$(compiler))))

$(B)/verify/load: tests/kernel/verify.cpp bpf/memtrace.h | $(B)/.dependencies
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) $< $(LDFLAGS) -lbpf -o $@

verify: $(B)/verify/load $(VERIFY_OBJECTS)   ## Load every BPF program in every configuration; verifier's cost as a table
	@$(AS_ROOT) $(B)/verify/load $(foreach object,$(VERIFY_OBJECTS),$(notdir $(patsubst %/,%,$(dir $(object))))=$(object))
.PHONY: verify

# ---- bench ------------------------------------------------------------------------------------------------------------

$(B)/bench-%: bench/workloads/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -pthread -fno-builtin -fno-omit-frame-pointer $< -o $@

BENCH_WORKLOADS := $(patsubst bench/workloads/%.c,$(B)/bench-%,$(sort $(wildcard bench/workloads/*.c)))
$(B)/bench: $(call obj,$(BENCH_SRC) $(filter-out cli/main.cpp,$(CLI_SRC))) $(B)/libmemtrace.a $(BENCH_WORKLOADS)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $(filter %.o %.a,$^) $(LDLIBS) -o $@

bench: all $(B)/bench   ## Measure what tracing costs, against the floor and a baseline: table and build/bench.json
	@$(AS_ROOT) $(B)/bench
.PHONY: bench

# ---- the code itself --------------------------------------------------------------------------------------------------

CXX_FILES := $(sort $(shell find userspace cli tests bench -name '*.cpp' -o -name '*.hpp'))
PYTHON_FILES := $(sort $(wildcard examples/*.py python/*.py python/*/*.py tests/python/*.py)) tests/python/run
SCRIPTS   := $(shell grep -l '^.!/bin/bash' scripts/* .ci/run) completions/memtrace-bpf.bash
tool       = @command -v $(1) >/dev/null || { echo "$(1) is missing: install the package $(2)" >&2; exit 1; }

check: check-format check-layers check-scripts tidy-changed   ## Format, layers, scripts, clang-tidy on what changed
check-format:   ## Is the C++ as clang-format would have it?
	$(call tool,$(CLANG_FORMAT),clang-format)
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(CXX_FILES)
check-layers:   ## Do dependencies point one way?
	$(Q)scripts/check-layers
check-scripts:
	$(call tool,shellcheck,shellcheck)
	$(Q)shellcheck $(SCRIPTS)
	$(Q)python3 -c 'import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]' scripts/check-layers $(PYTHON_FILES)

# Ten to twenty seconds a file: `check` looks only at what is not committed.
TIDY = $(CLANG_TIDY) --quiet $(1) -- $(CPPFLAGS) -std=c++20
CHANGED = $(shell { git diff --name-only --diff-filter=d HEAD --; git ls-files --others --exclude-standard; } 2>/dev/null)
TIDY_CHANGED = $(filter userspace/%.cpp cli/%.cpp bench/%.cpp tests/%.cpp,$(CHANGED))
tidy: $(addprefix tidy/,$(filter %.cpp,$(filter-out tests/workloads/%,$(CXX_FILES))))   ## clang-tidy on every file (slow; use -j)
tidy-changed: $(SKELETONS)   ## clang-tidy on files that differ from the last commit
	@git rev-parse -q --verify HEAD >/dev/null || echo "tidy-changed: SKIPPED: there is no commit to compare with"
	@! git rev-parse -q --verify HEAD >/dev/null || $(MAKE) --no-print-directory $(addprefix tidy/,$(TIDY_CHANGED)) tidy-tool
tidy/%: tidy-tool $(SKELETONS)
	$(call say,TIDY,$*)
	$(Q)$(call TIDY,$*)
tidy-tool:
	$(call tool,$(CLANG_TIDY),clang-tidy)
format:   ## Let clang-format rewrite the C++
	$(call tool,$(CLANG_FORMAT),clang-format)
	$(Q)$(CLANG_FORMAT) -i $(CXX_FILES)
.PHONY: check check-format check-layers check-scripts tidy tidy-changed tidy-tool format

# ---- the rest ---------------------------------------------------------------------------------------------------------

deps:   ## Install what building and testing need (apt or dnf)
	@scripts/install-deps --tests
clean:   ## Remove build/
	$(Q)rm -rf $(B)
help:   ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
.PHONY: deps clean help
