// Addresses that mean the same as a function's entry: a `jmp` to it elsewhere, the nop padding before it, what follows its
// endbr64. Calls through a pointer to one of these run the same function, but no comparison with the entry recognises it.
#include <algorithm>
#include <cstring>

#include "probes/instruction_search.hpp"
#include "probes/planner.hpp"
#include "probes/text_scan.hpp"

namespace memtrace {
namespace {

constexpr auto jmp_near = std::byte{0xe9};
constexpr auto jmp_short = std::byte{0xeb};
constexpr std::uint64_t jmp_short_length = 2;
constexpr std::uint64_t short_reach = 130;
// Every wrapper of an allocator ends in such a jump: there are a few. The bound only ties down hostile files.
constexpr std::size_t most_jumps = 32;
constexpr std::size_t endbr64_length = 4;

// Whether an instruction really begins at `address`, and in a function other than that at `entry`.
bool starts_instruction_elsewhere(const ElfImage& image, std::uint64_t entry, std::uint64_t address) {
    const auto start = decode_start(image, address);
    if (!start || start->in_padding || start->address == entry) return false;
    const auto place = instruction_around(image, address);
    return place && place->address == address;
}

// Positions in `view` of what looks like a direct jump to `entry`.
std::vector<std::uint64_t> possible_jumps(const CodeView& view, std::uint64_t entry) {
    std::vector<std::uint64_t> found;
    const auto add = [&](std::uint64_t address) {
        if (found.size() < most_jumps) found.push_back(address);
    };
    for_each_displacement(view, entry, entry, [&](std::uint64_t position, std::uint64_t) {
        const std::uint64_t index = position - view.address;
        if (index >= 1 && view.bytes[index - 1] == jmp_near) add(position - 1);
    });
    const std::uint64_t from = std::max(view.address, entry - std::min(entry, short_reach));
    for (std::uint64_t at = from; at + jmp_short_length <= view.end() && at < entry + short_reach; ++at) {
        const auto bytes = view.bytes.subspan(at - view.address);
        const auto distance = std::to_integer<std::int8_t>(bytes[1]);
        if (bytes[0] == jmp_short && at + jmp_short_length + static_cast<std::uint64_t>(std::int64_t{distance}) == entry) add(at);
    }
    return found;
}

void add_jumps(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs, std::vector<Redirect>& redirects) {
    for (const CodeView& view : image.code()) {
        for (const std::uint64_t address : possible_jumps(view, request.entry)) {
            const auto site = site_at(image, address, request, costs);
            if (site && site->kind == InstructionKind::jump && starts_instruction_elsewhere(image, request.entry, address)) {
                redirects.push_back({address, "jmp elsewhere", *site});
            }
        }
    }
}

// The unbroken run of nops that ends exactly at `entry`; empty unless nothing falls through into it.
std::vector<PlacedInstruction> padding_before(const ElfImage& image, std::uint64_t entry) {
    if (entry == 0) return {};
    const auto start = decode_start(image, entry - 1);
    if (!start) return {};
    std::vector<PlacedInstruction> run;
    bool ended = start->in_padding;  // control cannot come from the instruction before the run
    std::uint64_t at = start->address;
    for (auto bytes = image.bytes_at(at, entry - at); at < entry;) {
        const auto instruction = decode(bytes, at);
        if (!instruction) return {};
        if (instruction->does_nothing) {
            run.push_back({at, *instruction});
        } else {
            run.clear();
            ended = instruction->flow == ControlFlow::jump || instruction->flow == ControlFlow::ret || instruction->flow == ControlFlow::stop;
        }
        bytes = bytes.subspan(instruction->length);
        at += instruction->length;
    }
    return at == entry && ended ? run : std::vector<PlacedInstruction>();
}

void add_padding(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs, const std::vector<ProbeSite>& sites,
                 std::vector<Redirect>& redirects) {
    const auto run = padding_before(image, request.entry);
    if (run.empty()) return;
    // Inside the function the probe sees direct calls too, and perhaps no free(NULL): a nop has to be cheaper than that.
    std::optional<Redirect> best;
    if (!sites.empty()) best = Redirect{run.back().address, "padding before", sites.front()};
    const bool spares_null_calls = best && best->probe.emulated && request.null_argument;
    for (const PlacedInstruction& nop : run) {
        const auto site = site_at(image, nop.address, request, costs);
        if (!site || spares_null_calls) continue;
        if (!best || costs.rank_ns(site->kind) < costs.rank_ns(best->probe.kind)) best = Redirect{nop.address, "padding before", *site};
    }
    if (best) redirects.push_back(*best);
}

void add_after_endbr(const ElfImage& image, const ProbeRequest& request, const std::vector<ProbeSite>& sites, std::vector<Redirect>& redirects) {
    static constexpr unsigned char endbr64[endbr64_length] = {0xf3, 0x0f, 0x1e, 0xfa};
    const auto bytes = image.bytes_at(request.entry, endbr64_length);
    if (bytes.empty() || std::memcmp(bytes.data(), endbr64, endbr64_length) != 0) return;
    const std::uint64_t target = request.entry + endbr64_length;
    const auto site = std::ranges::find_if(sites, [&](const ProbeSite& candidate) { return candidate.address >= target; });
    if (site != sites.end()) redirects.push_back({target, "after endbr64", *site});
}

}  // namespace

std::vector<Redirect> plan_redirects(const ElfImage& image, const ProbeRequest& request, const ProbeCosts& costs) {
    std::vector<Redirect> redirects;
    const auto planned = probe_sites(image, request, costs);
    const auto sites = planned ? *planned : std::vector<ProbeSite>();
    add_jumps(image, request, costs, redirects);
    add_padding(image, request, costs, sites, redirects);
    add_after_endbr(image, request, sites, redirects);
    std::ranges::stable_sort(redirects, {}, [&](const Redirect& redirect) { return costs.rank_ns(redirect.probe.kind); });
    return redirects;
}

}  // namespace memtrace
