#include "service_snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <unordered_set>

namespace memtrace::bench {
namespace {

constexpr std::size_t functions = 4000, functions_a_file = 12, calls_a_function = 12;
constexpr std::uint64_t sizes[] = {48, 56, 64, 72, 104, 176, 232, 360, 576, 1064, 4200, 65600};

/// 0 … n-1, the k-th 1/(k+1) as often as the first.
std::size_t zipf(std::mt19937_64& random, std::size_t n) {
    const double u = std::uniform_real_distribution<>(0, std::log(static_cast<double>(n) + 1))(random);
    return std::min(static_cast<std::size_t>(std::exp(u)) - 1, n - 1);
}

struct Program {
    Snapshot snapshot;
    /// Each function's lines that call something.
    std::vector<std::vector<FrameId>> calls{functions};
    std::vector<std::size_t> callee_of;  ///< By frame.

    explicit Program(unsigned seed) {
        std::mt19937_64 random(seed);
        Interner interner(snapshot);
        for (std::size_t function = 0; function < functions; ++function) {
            const std::string file = fmt::format("/usr/lib/python3/dist-packages/service/part_{}/module_{}.py", function / functions_a_file % 40,
                                                 function / functions_a_file);
            const std::string name = fmt::format("Handler{}.process_{}", function % 7, function);
            for (std::size_t call = 0; call < calls_a_function; ++call) {
                const auto line = static_cast<std::uint32_t>(function % functions_a_file * 60 + call * 3 + 7);
                calls[function].push_back(interner.frame({file, line, name, true}));
                callee_of.push_back(random() % functions);
            }
        }
        Process& process = snapshot.processes.emplace_back();
        process.pid = 4242;
        process.command = "python3 -m service";
        process.domains.push_back({interner.string("obj"), 0, 0});
        snapshot.has_blocks = true;
        snapshot.frame_limit = 25;
    }
};

void fill(Site& site, std::mt19937_64& random) {
    const std::uint64_t size = sizes[zipf(random, std::size(sizes))], live = 1 + zipf(random, 300), freed = zipf(random, 3000);
    site.blocks.push_back({size, AgeStep{static_cast<std::uint16_t>(300 + random() % 40)}, live});
    site.counters = {live + freed, (live + freed) * size, freed, freed * size};
}

}  // namespace

Snapshot service_snapshot(std::size_t traces, std::size_t depth, unsigned seed, unsigned moment) {
    Program program(seed);
    std::mt19937_64 walk(seed + 1), held(seed + 2 + moment);
    std::unordered_set<std::uint64_t> known;
    const StringId domain = program.snapshot.processes[0].domains[0].domain;
    std::vector<FrameId> stack;  // oldest first
    while (known.size() < traces) {
        // Most stacks differ from another one in their newest frames.
        if (!program.snapshot.sites.empty()) {
            const std::size_t like = zipf(walk, program.snapshot.sites.size());
            stack.assign(program.snapshot.sites[like].frames.rbegin(), program.snapshot.sites[like].frames.rend());
            stack.resize(depth - 1 - zipf(walk, depth - 1));
        }
        while (stack.size() < depth) {
            const std::size_t function = stack.empty() ? 0 : program.callee_of[static_cast<std::size_t>(stack.back())];
            stack.push_back(program.calls[function][zipf(walk, calls_a_function)]);
        }
        std::uint64_t hash = 0;
        for (const FrameId frame : stack) hash = std::rotl((hash ^ static_cast<std::uint64_t>(frame)) * 0x9e3779b97f4a7c15U, 29);
        if (!known.insert(hash).second) continue;
        Site site;
        site.domain = domain;
        site.total_frames = static_cast<std::uint32_t>(depth);
        site.frames.assign(stack.rbegin(), stack.rend());
        fill(site, held);
        program.snapshot.sites.push_back(std::move(site));
    }
    // As the collector has them.
    std::sort(program.snapshot.sites.begin(), program.snapshot.sites.end(), [](const Site& a, const Site& b) {
        return std::lexicographical_compare(a.frames.rbegin(), a.frames.rend(), b.frames.rbegin(), b.frames.rend());
    });
    for (const Site& site : program.snapshot.sites) program.snapshot.processes[0].traced_bytes += site.counters.live_bytes();
    return std::move(program.snapshot);
}

}  // namespace memtrace::bench
