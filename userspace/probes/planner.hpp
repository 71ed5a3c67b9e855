// Decides where in a function a probe stands: the first instruction that the kernel emulates instead of single-stepping,
// on the straight line every call takes, with arguments (and return address) still in place. Why: docs/decisions/0001-one-trap-per-call.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "probes/decode.hpp"
#include "probes/elf_image.hpp"
#include "util/result.hpp"

namespace memtrace {

/// What one hit costs on this kernel, in ns, by instruction kind; with_return adds a return probe at the same address.
struct ProbeCosts {
    std::array<double, instruction_kind_count> entry_ns{};
    double return_ns = 0;
    /// Emulated: clearly cheaper than `other`, which is always single-stepped.
    [[nodiscard]] bool emulated(InstructionKind kind) const;
    /// For choosing: the cost, but the same for all emulated kinds that noise alone tells apart.
    [[nodiscard]] double rank_ns(InstructionKind kind) const;
    /// Those of a virtual machine that was measured, for tests.
    static ProbeCosts typical();
};

/// What a hook needs at its probe.
struct ProbeRequest {
    std::uint64_t entry = 0;                     ///< First address calls arrive at.
    std::uint64_t end = 0;                       ///< Exclusive bound of the function; 0 when it is not known.
    std::uint8_t arguments = 0;                  ///< Bit i: integer argument i (rdi, rsi, rdx, rcx, r8, r9) must be in one of these registers.
    bool needs_return = false;                   ///< The return address must still be on top of the stack.
    std::optional<unsigned> null_argument = {};  ///< For free: calls with this argument NULL may leave before the probe.
};

/// One place for a probe.
struct ProbeSite {
    std::uint64_t address = 0;
    InstructionKind kind = InstructionKind::other;
    std::string instruction;  ///< Disassembly, "push rbp".
    bool emulated = false;
    double cost_ns = 0;                                       ///< Entry, plus the return probe when the request needs it.
    std::array<std::uint8_t, 6> registers{0, 1, 2, 3, 4, 5};  ///< Argument i is in the register that argument registers[i] came in; `lost`: in none.
    static constexpr std::uint8_t lost = 15;
    bool operator==(const ProbeSite&) const = default;
};

/// Every place that sees every call once, and no other way, with the arguments at hand: best first. Best is the
/// cheapest, then the earliest; but with `null_argument` an emulated one behind the check for NULL comes before all others.
/// Error: the entry is not in the code, not decodable, or nothing there may be probed.
Result<std::vector<ProbeSite>> probe_sites(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs);

/// The best of them. Usually the entry, single-stepped, when there is nothing better.
Result<ProbeSite> plan_probe(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs);

/// The site at exactly `address`, whether a good one or not; nothing where the kernel would refuse a probe.
std::optional<ProbeSite> site_at(const ElfImage& image, std::uint64_t address, const ProbeRequest& request, const ProbeCosts& costs);

/// Another address that means the same as calling `entry`, and where to probe so that calls through it are seen.
struct Redirect {
    std::uint64_t target = 0;
    std::string kind;  ///< "jmp elsewhere", "padding before", "after endbr64".
    ProbeSite probe;
};

/// Equivalent addresses, cheapest probe first; empty when there is none. Each `target` differs from `entry`.
std::vector<Redirect> plan_redirects(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs);

/// A call in a function, as its callee sees it when it returns.
struct CallSite {
    std::uint64_t return_address = 0;
    std::uint64_t caller_at = 0;  ///< Bytes from the stack pointer there up to where the function's own return address stands.
    bool operator==(const CallSite&) const = default;
};

/// The calls on the straight line from `entry` to the first return or jump away, as far as the stack pointer is known.
std::vector<CallSite> calls_of(const ElfImage& image, std::uint64_t entry, std::uint64_t end);

/// Whether code of the image compares something with `function`'s address: the guard of a speculatively inlined copy. The address
/// is an immediate of the comparison (non-PIE files) or was loaded rip-relatively a few instructions before it.
bool compared_in_code(const ElfImage& image, std::uint64_t function);

}  // namespace memtrace
