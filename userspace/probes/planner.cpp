// The probe planner: walks the straight line from a function's entry, and keeps the places where a probe means "called".
#include "probes/planner.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "probes/decode.hpp"
#include "probes/instruction_search.hpp"
#include "probes/text_scan.hpp"

namespace memtrace {
namespace {

// Prologues are a dozen instructions; further down there is nothing cheaper to find, only more that may jump into it.
constexpr std::size_t longest_walk = 64;
// A two-byte branch reaches 128 bytes back from its end.
constexpr std::uint64_t short_branch_reach = 128;
// Constants that look like a branch to the line are a handful; the bound only ties down hostile files.
constexpr std::size_t most_checks = 64;
// An emulated hit costs a tenth to a half of a single-stepped one; the margin is for noise in the calibration.
constexpr double emulated_at_most = 0.8;
// Emulated kinds within this factor of each other are equally good: calibration tells them apart by chance.
constexpr double noise_factor = 1.3;
// From loading a function's address to comparing with it.
constexpr std::size_t longest_guard = 8;

// One instruction of the straight line, as a possible place for the probe.
struct Step {
    std::uint64_t address = 0;
    Instruction instruction;
    bool usable = false;  // arguments and stack as the request wants them, and the kernel accepts a probe
    std::array<std::uint8_t, 6> registers{};
    bool behind_null_check = false;  // calls with the NULL argument have left
};

std::span<const std::byte> bytes_from(const CodeView& code, std::uint64_t address) { return code.bytes.subspan(address - code.address); }

// What the straight line knows about the state at its current instruction.
class Walker {
public:
    explicit Walker(const ProbeRequest& request) : request_(request) {
        for (std::size_t i = 0; i < holders_.size(); ++i) holders_[i] = static_cast<RegisterSet>(1u << argument_registers[i]);
    }

    [[nodiscard]] Step at(std::uint64_t address, const Instruction& instruction) const {
        const bool stack_ok = !request_.needs_return || stack_ == std::int64_t{0};
        // A free that is reported after the kernel unmapped the memory can come after the next owner's allocation. What
        // returns an address acts on return anyway.
        const bool in_time = !after_system_call_ || request_.needs_return;
        Step step{address, instruction, stack_ok && in_time && instruction.probeable, {}, behind_null_check_};
        for (std::size_t i = 0; i < holders_.size(); ++i) {
            const auto holder = register_of(i);
            if (!holder && (request_.arguments >> i & 1) != 0) step.usable = false;
            step.registers[i] = holder ? static_cast<std::uint8_t>(*holder) : ProbeSite::lost;
        }
        return step;
    }

    // Moves over `instruction`; false when not every call goes on to the one behind it.
    bool pass(const Instruction& instruction) {
        switch (instruction.flow) {
            case ControlFlow::next: break;
            case ControlFlow::system_call: after_system_call_ = true; break;
            case ControlFlow::branch:
                if (!instruction.branches_if_zero || !null_tested_) return false;
                behind_null_check_ = true;
                break;
            default: return false;
        }
        if (instruction.writes_flags) null_tested_ = false;
        if (instruction.zero_test && is_null_argument(*instruction.zero_test)) null_tested_ = true;
        note_writes(instruction);
        stack_ = stack_ && instruction.stack_change ? std::optional(*stack_ + *instruction.stack_change) : std::nullopt;
        return true;
    }

private:
    [[nodiscard]] bool is_null_argument(RegisterNumber number) const {
        return request_.null_argument && *request_.null_argument < holders_.size() && (holders_[*request_.null_argument] >> number & 1) != 0;
    }

    // Which of the argument registers holds argument i now; its own one if it can be.
    [[nodiscard]] std::optional<std::size_t> register_of(std::size_t i) const {
        const auto holds = [&](std::size_t at) { return (holders_[i] >> argument_registers[at] & 1) != 0; };
        if (holds(i)) return i;
        for (std::size_t at = 0; at < holders_.size(); ++at)
            if (holds(at)) return at;
        return std::nullopt;
    }

    void note_writes(const Instruction& instruction) {
        for (RegisterSet& holders : holders_) {
            const bool copied = instruction.copy && (holders >> instruction.copy->second & 1) != 0;
            holders = static_cast<RegisterSet>(holders & ~instruction.registers_written);
            if (copied) holders = static_cast<RegisterSet>(holders | 1u << instruction.copy->first);
        }
    }

    const ProbeRequest& request_;
    std::optional<std::int64_t> stack_ = 0;  // bytes from the return address; nothing when unknown
    std::array<RegisterSet, 6> holders_{};   // the registers that hold argument i
    bool after_system_call_ = false;
    bool null_tested_ = false;  // ZF says whether the NULL argument is NULL
    bool behind_null_check_ = false;
};

std::vector<Step> straight_line(const CodeView& code, const ProbeRequest& request, std::uint64_t end) {
    std::vector<Step> steps;
    Walker walker(request);
    for (std::uint64_t address = request.entry; address < end && steps.size() < longest_walk;) {
        const auto instruction = decode(bytes_from(code, address), address);
        if (!instruction || instruction->length > end - address) break;
        steps.push_back(walker.at(address, *instruction));
        if (!walker.pass(*instruction)) break;
        address += instruction->length;
    }
    return steps;
}

std::uint64_t end_of(const Step& step) { return step.address + step.instruction.length; }

// Branches of the function and of the one before it: the only ones that may be two bytes long, so decoding further than those
// reach is idle.
std::uint64_t first_branch_target(const ElfImage& image, const CodeView& code, std::uint64_t entry, std::uint64_t last, std::uint64_t end) {
    std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
    const auto scan = [&](std::uint64_t address, std::uint64_t stop) {
        while (address < stop) {
            const auto instruction = decode(bytes_from(code, address), address);
            if (instruction && instruction->target && *instruction->target > entry) first = std::min(first, *instruction->target);
            address += instruction ? instruction->length : 1;
        }
    };
    if (const auto before = decode_start(image, entry - 1); before && code.contains(before->address)) scan(before->address, entry);
    scan(entry, std::min(end, last + short_branch_reach));
    return first;
}

// Whether the four bytes at `position` really are the displacement of a branch to `target`, or of an operand there (the
// address of a label). They are taken to be when the code around them cannot be decoded.
bool refers_to(const ElfImage& image, std::uint64_t position, std::uint64_t target) {
    const auto place = instruction_around(image, position);
    return !place || place->instruction.target == target || place->instruction.operand_address == target;
}

// Near branches and calls from anywhere, .cold parts and other functions included. The line itself was decoded already.
std::uint64_t first_distant_target(const ElfImage& image, std::uint64_t entry, const Step& last) {
    std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
    std::size_t checked = 0;
    for (const CodeView& view : image.code()) {
        for_each_displacement(view, entry + 1, last.address, [&](std::uint64_t position, std::uint64_t target) {
            const bool on_the_line = position + 4 > entry && position < end_of(last);
            if (on_the_line || target >= first) return;
            if (++checked > most_checks || refers_to(image, position, target)) first = target;
        });
    }
    return first;
}

// Another function that starts on the line (an alias into the middle, callable from other files).
bool starts_another_function(const ElfImage& image, std::uint64_t entry, std::uint64_t address) {
    const auto bounds = image.function_bounds(address);
    return bounds && bounds->first > entry;
}

// Drops what can be reached past the entry.
void keep_reached_from_entry_only(const ElfImage& image, const CodeView& code, const ProbeRequest& request, std::uint64_t end,
                                  std::vector<Step>& steps) {
    if (steps.size() < 2) return;
    const Step& last = steps.back();
    const std::uint64_t barrier = std::min(first_branch_target(image, code, request.entry, last.address, end),
                                           first_distant_target(image, request.entry, last));
    const auto reachable = std::find_if(steps.begin() + 1, steps.end(), [&](const Step& step) {
        return step.address >= barrier || starts_another_function(image, request.entry, step.address);
    });
    steps.erase(reachable, steps.end());
}

ProbeSite make_site(const CodeView& code, std::uint64_t address, const Instruction& instruction, const ProbeRequest& request,
                    const ProbeCosts& costs) {
    const double entry_ns = costs.entry_ns[static_cast<std::size_t>(instruction.kind)];
    ProbeSite site;
    site.address = address;
    site.kind = instruction.kind;
    site.instruction = disassemble(bytes_from(code, address), address);
    site.emulated = costs.emulated(instruction.kind);
    site.cost_ns = entry_ns + (request.needs_return ? costs.return_ns : 0);
    return site;
}

}  // namespace

bool ProbeCosts::emulated(InstructionKind kind) const {
    const auto cost = [this](InstructionKind of) { return entry_ns[static_cast<std::size_t>(of)]; };
    return kind != InstructionKind::other && cost(kind) <= emulated_at_most * cost(InstructionKind::other);
}

double ProbeCosts::rank_ns(InstructionKind kind) const {
    const auto cost = [this](InstructionKind of) { return entry_ns[static_cast<std::size_t>(of)]; };
    if (!emulated(kind)) return cost(kind);
    const double usual = cost(InstructionKind::push);
    return cost(kind) * noise_factor < usual ? cost(kind) : usual;
}

ProbeCosts ProbeCosts::typical() {
    ProbeCosts costs;
    costs.entry_ns.fill(500);
    costs.entry_ns[static_cast<std::size_t>(InstructionKind::nop5)] = 360;
    costs.entry_ns[static_cast<std::size_t>(InstructionKind::other)] = 9900;
    costs.return_ns = 300;
    return costs;
}

Result<std::vector<ProbeSite>> probe_sites(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs) {
    const auto views = image.code();
    const auto code = std::ranges::find_if(views, [&](const CodeView& view) { return view.contains(request.entry); });
    if (code == views.end()) return Error{fmt::format("{}: 0x{:x} is not in its code", image.name(), request.entry)};
    const std::uint64_t end = request.end == 0 ? code->end() : std::min(request.end, code->end());
    auto steps = straight_line(*code, request, end);
    if (steps.empty()) return Error{fmt::format("{}: no instruction at 0x{:x}", image.name(), request.entry)};
    keep_reached_from_entry_only(image, *code, request, end, steps);
    std::erase_if(steps, [](const Step& step) { return !step.usable; });
    if (steps.empty()) return Error{fmt::format("{}: the kernel accepts no probe on the function at 0x{:x}", image.name(), request.entry)};

    const auto rank = [&](const Step& step) {
        const bool spares_null_calls = step.behind_null_check && costs.emulated(step.instruction.kind);
        return std::pair(!spares_null_calls, costs.rank_ns(step.instruction.kind));
    };
    std::ranges::stable_sort(steps, {}, rank);
    std::vector<ProbeSite> sites;
    for (const Step& step : steps) {
        sites.push_back(make_site(*code, step.address, step.instruction, request, costs));
        sites.back().registers = step.registers;
    }
    return sites;
}

std::optional<ProbeSite> site_at(const ElfImage& image, std::uint64_t address, const ProbeRequest& request, const ProbeCosts& costs) {
    for (const CodeView& code : image.code()) {
        if (!code.contains(address)) continue;
        const auto instruction = decode(bytes_from(code, address), address);
        if (!instruction || !instruction->probeable) return std::nullopt;
        return make_site(code, address, *instruction, request, costs);
    }
    return std::nullopt;
}

Result<ProbeSite> plan_probe(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs) {
    auto sites = probe_sites(image, request, costs);
    if (!sites) return std::move(sites).error();
    return std::move(sites->front());
}

namespace {

// The instruction that holds `position`, or one soon behind it on a straight line, compares.
bool comparison_follows(const ElfImage& image, std::uint64_t position) {
    auto place = instruction_around(image, position);
    for (std::size_t i = 0; place && i < longest_guard; ++i) {
        if (place->instruction.compares) return true;
        if (place->instruction.flow != ControlFlow::next) return false;
        place = instruction_around(image, place->address + place->instruction.length);
    }
    return false;
}

// Positions of a number of four given bytes.
std::vector<std::uint64_t> positions_of(const CodeView& view, std::uint32_t number) {
    std::vector<std::uint64_t> found;
    const std::byte* at = view.bytes.data();
    const std::byte* const end = at + view.bytes.size();
    while ((at = static_cast<const std::byte*>(memmem(at, static_cast<std::size_t>(end - at), &number, sizeof number))) != nullptr &&
           found.size() < most_checks) {
        found.push_back(view.address + static_cast<std::uint64_t>(at - view.bytes.data()));
        ++at;
    }
    return found;
}

}  // namespace

bool compared_in_code(const ElfImage& image, std::uint64_t function) {
    constexpr auto lea = std::byte{0x8d};
    const auto is_rip_relative = [](std::byte modrm) { return (modrm & std::byte{0xc7}) == std::byte{0x05}; };
    const auto immediate = static_cast<std::uint32_t>(function);
    const bool may_be_immediate = !image.position_independent() && function == immediate;
    for (const CodeView& view : image.code()) {
        bool compared = false;
        for_each_displacement(view, function, function, [&](std::uint64_t position, std::uint64_t) {
            const std::size_t index = position - view.address;
            const bool loads = index >= 2 && view.bytes[index - 2] == lea && is_rip_relative(view.bytes[index - 1]);
            compared = compared || (loads && comparison_follows(image, position));
        });
        if (may_be_immediate) {
            const auto positions = positions_of(view, immediate);
            compared = compared || std::ranges::any_of(positions, [&](std::uint64_t position) { return comparison_follows(image, position); });
        }
        if (compared) return true;
    }
    return false;
}

}  // namespace memtrace
