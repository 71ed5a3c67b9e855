# Included by the main Makefile: the workloads (programs that know their own truth) and the end-to-end tests.
W := $(B)/workloads
WORKLOAD_CC ?= gcc
# -fno-builtin: every call stays. -O1: the optimiser neither removes nor merges allocations of different lines.
WORKLOAD_FLAGS := -g -O1 -fno-builtin -fno-omit-frame-pointer -Wall -Wextra -D_GNU_SOURCE -pthread

WORKLOADS := $(patsubst tests/workloads/%.c,$(W)/%,$(filter-out %/bare_static.c %/python_host.c %/jumping_clock.c,$(sort $(wildcard tests/workloads/*.c)))) \
             $(patsubst tests/workloads/%.cpp,$(W)/%,$(sort $(wildcard tests/workloads/*.cpp))) $(W)/bare_static $(W)/jumping_clock.so
# Built where the machine can; the tests that want them skip loudly otherwise.
CAN_BUILD_32 := $(shell echo 'void _start(void){}' | $(WORKLOAD_CC) -m32 -nostdlib -static -x c - -o /dev/null 2>/dev/null && echo yes)
LIBPYTHON    := $(firstword $(wildcard /usr/lib/*/libpython3.11.so.1.0 /usr/lib64/libpython3.11.so.1.0))
WORKLOADS += $(if $(CAN_BUILD_32),$(W)/bare_32) $(if $(LIBPYTHON),$(W)/python_host)

$(W)/%: tests/workloads/%.c tests/workloads/ledger.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(WORKLOAD_FLAGS) $< -o $@

$(W)/%: tests/workloads/%.cpp tests/workloads/ledger.h
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++20 $(WORKLOAD_FLAGS) $< -o $@

$(W)/jumping_clock.so: tests/workloads/jumping_clock.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(WORKLOAD_FLAGS) -shared -fPIC $< -o $@

BARE_FLAGS := -g -O1 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie
$(W)/bare_static $(W)/bare_32: tests/workloads/bare_static.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(BARE_FLAGS) $(if $(findstring bare_32,$@),-m32) $< -o $@

# Other allocators than the C library's, as far as they are installed.
ALLOCATORS  := tests/workloads/allocators
library      = $(firstword $(wildcard /usr/lib/*/$(1) /usr/lib64/$(1) /usr/local/lib/$(1)))
JEMALLOC    := $(and $(wildcard /usr/include/jemalloc/jemalloc.h),$(call library,libjemalloc.so))
JEMALLOC_A  := $(and $(JEMALLOC),$(call library,libjemalloc.a))
MIMALLOC    := $(and $(wildcard /usr/include/mimalloc.h /usr/include/mimalloc-*/mimalloc.h),$(call library,libmimalloc.so))
MIMALLOC_H  := $(dir $(firstword $(wildcard /usr/include/mimalloc.h /usr/include/mimalloc-*/mimalloc.h)))
TCMALLOC    := $(call library,libtcmalloc_minimal.so)
MUSL_GCC    := $(shell command -v musl-gcc 2>/dev/null)
RUSTC       := $(shell command -v rustc 2>/dev/null)
WORKLOADS   += $(W)/preload.so $(W)/mallinfo.so $(if $(RUSTC),$(W)/ledger_rust) $(W)/ledger_new_static $(W)/ledger_portable_static
WORKLOADS   += $(if $(JEMALLOC),$(W)/ledger_new_jemalloc $(W)/ledger_jemalloc) $(if $(JEMALLOC_A),$(W)/ledger_new_jemalloc_static)
WORKLOADS   += $(if $(MIMALLOC),$(W)/ledger_new_mimalloc $(W)/ledger_mimalloc) $(if $(TCMALLOC),$(W)/ledger_new_tcmalloc)
WORKLOADS   += $(if $(MUSL_GCC),$(W)/ledger_portable_musl $(W)/ledger_portable_musl_static)

$(W)/ledger_rust: $(ALLOCATORS)/ledger_rust.rs
	$(call say,RUSTC,$@)
	@mkdir -p $(@D)
	$(Q)$(RUSTC) -g -C opt-level=1 $< -o $@
$(W)/preload.so $(W)/mallinfo.so: $(W)/%.so: $(ALLOCATORS)/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(WORKLOAD_FLAGS) -fPIC -shared $< -o $@
$(W)/ledger_jemalloc $(W)/ledger_mimalloc: $(W)/%: $(ALLOCATORS)/%.c tests/workloads/ledger.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(WORKLOAD_FLAGS) -I$(MIMALLOC_H) $< $(if $(findstring jemalloc,$@),$(JEMALLOC),$(MIMALLOC)) -o $@
NEW_LINKED := $(W)/ledger_new_jemalloc $(W)/ledger_new_jemalloc_static $(W)/ledger_new_mimalloc $(W)/ledger_new_tcmalloc $(W)/ledger_new_static
$(W)/ledger_new_jemalloc: NEW_WITH := $(JEMALLOC)
$(W)/ledger_new_jemalloc_static: NEW_WITH := $(JEMALLOC_A) -lm
$(W)/ledger_new_mimalloc: NEW_WITH := $(MIMALLOC)
$(W)/ledger_new_tcmalloc: NEW_WITH := $(TCMALLOC)
$(W)/ledger_new_static: NEW_WITH := -static
$(NEW_LINKED): tests/workloads/ledger_new.cpp tests/workloads/ledger.h
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++20 $(WORKLOAD_FLAGS) $< -Wl,--no-as-needed $(NEW_WITH) -o $@
$(W)/%_static: tests/workloads/%.c tests/workloads/ledger.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(WORKLOAD_FLAGS) -static $< -o $@
$(W)/%_musl $(W)/%_musl_static: tests/workloads/%.c tests/workloads/ledger.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(MUSL_GCC) $(WORKLOAD_FLAGS) $(if $(findstring _static,$@),-static) $< -o $@

$(W)/python_host: tests/workloads/python_host.c $(LIBPYTHON)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(WORKLOAD_CC) $(WORKLOAD_FLAGS) $< $(LIBPYTHON) -o $@

E2E_SRC := $(sort $(wildcard tests/e2e/*_test.cpp) $(wildcard tests/support/*.cpp))
$(B)/e2e-tests: $(call obj,$(E2E_SRC)) $(B)/libmemtrace.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $^ $(LDLIBS) $(CATCH_LIBS) -o $@

# A program like the others, for scripts/run-tests.
$(B)/python-tests: tests/python/run
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec python3 -B "%s/tests/python/run"\n' "$(CURDIR)" > $@ && chmod +x $@

workloads: $(WORKLOADS)
.PHONY: workloads

# The commands' parts are tested too, without their main; some tests ask other programs for the truth. The library stands behind
# them once more, since the linker reads from left to right.
UNIT_EXTRA := $(call obj,$(filter-out cli/main.cpp,$(CLI_SRC)) tests/support/files.cpp tests/support/process.cpp tests/support/python.cpp)
$(B)/unit-tests: $(UNIT_EXTRA)
$(B)/unit-tests: LDLIBS := $(B)/libmemtrace.a $(LDLIBS)

# The kernel's side through the library: its tables are looked into, which no command shows.
KERNEL_SRC := $(sort $(filter-out tests/kernel/verify.cpp,$(wildcard tests/kernel/*.cpp)) $(wildcard tests/support/*.cpp))
$(call obj,$(KERNEL_SRC)): | $(B)/.test-dependencies
$(B)/kernel-tests: $(call obj,$(KERNEL_SRC)) $(B)/libmemtrace.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $^ $(LDLIBS) $(CATCH_LIBS) -o $@

# Every interpreter of this machine, and $PYTHONS, against its own tracemalloc: minutes each.
MATRIX_SRC := $(sort $(wildcard tests/matrix/*.cpp) $(wildcard tests/support/*.cpp))
$(call obj,$(MATRIX_SRC)): | $(B)/.test-dependencies
$(B)/matrix-tests: $(call obj,$(MATRIX_SRC)) $(B)/libmemtrace.a
	$(call say,LINK,$@)
	$(Q)$(CXX) $(LDFLAGS) $^ $(LDLIBS) $(CATCH_LIBS) -o $@
