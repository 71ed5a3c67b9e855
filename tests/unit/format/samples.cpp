#include "samples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>

#include "support/catch.hpp"

namespace memtrace::test {
namespace {

std::uint64_t random_size(std::mt19937_64& random) {
    constexpr std::array<std::uint64_t, 12> kEdges{0, 1, 99, 100, 1023, 1024, 10239, 10240, 102399, 102400, 10485759, std::uint64_t{1} << 40};
    if (random() % 3 == 0) return kEdges[random() % kEdges.size()] + random() % 3;
    return random() >> (20 + random() % 44);
}

/// The same blocks, each of some age.
std::vector<BlockGroup> random_groups(std::mt19937_64& random, std::vector<std::uint64_t> sizes) {
    std::map<std::pair<std::uint64_t, AgeStep>, std::uint64_t> counts;
    for (const std::uint64_t size : sizes) ++counts[{size, AgeStep{static_cast<std::uint16_t>(random() % 3)}}];
    std::vector<BlockGroup> groups;
    for (const auto& [key, count] : counts) groups.push_back({key.first, key.second, count});
    return groups;
}

}  // namespace

Snapshot rich_snapshot() {
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.tool_version = "0.1.0";
    snapshot.kernel = "6.18.44";
    snapshot.time = std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(1'700'000'000'123'456'789));
    snapshot.traced_for = std::chrono::milliseconds(95'250);
    snapshot.events = 20'140'000;
    snapshot.tracing_cost = 0.09;
    snapshot.frame_limit = 25;
    const StringId obj = interner.string("obj"), malloc = interner.string("malloc");
    snapshot.processes = {{4242,
                           "python3",
                           987654321,
                           432'000'000,
                           900'000'000,
                           301'000'000,
                           305'000'000,
                           {{obj, 300'000'000, 304'000'000}, {malloc, 1'000'000, 2'000'000}}},
                          {-1, "caf\xc3\xa9\xff", 1, 0, ~std::uint64_t{0}, 0, 0, {}, true}};
    const FrameId put = interner.frame({"/srv/shop/cache.py", 88, "Cache.put", true, 90, 17, 4});
    const FrameId module = interner.frame({"/srv/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x90\x8d.py", 3, "<module>", true});
    const FrameId unknown = interner.frame({"<unknown>", 0, "", false});
    const FrameId native = interner.frame({"libfoo.so.1", 0, "make_table+0x1f", false});
    const FrameId invalid = interner.frame({"/tmp/\xff\xfe.c", 4'294'967'295U, "a\tb", false});
    snapshot.sites = {{0, obj, {put, module}, 2, {1000, 64000, 400, 25600}},
                      {0, malloc, {native, invalid, native}, 300, {7, 0, 0, 0}},
                      {1, malloc, {unknown}, 1, {~std::uint64_t{0}, ~std::uint64_t{0}, 1, 2}},
                      {0, obj, {module}, 1, {1, 16, 2, 32}}};
    snapshot.has_blocks = true;
    snapshot.threads_apart = true;
    snapshot.has_temporaries = true;
    snapshot.sites[0].counters.temporary_blocks = 399;
    snapshot.sites[2].counters.temporary_blocks = ~std::uint64_t{0};
    snapshot.sites[0].thread = 4243;
    snapshot.sites[0].thread_name = interner.string("worker \xf0\x9f\x90\x8d");
    snapshot.sites[0].blocks = {{0, AgeStep{0}, 1}, {64, AgeStep{3}, 590}, {64, AgeStep{65535}, 8}, {704, AgeStep{2}, 1}};
    snapshot.sites[1].thread = 2'147'483'647;
    snapshot.sites[2].blocks = {{0, AgeStep{0}, 0}, {~std::uint64_t{0}, AgeStep{65535}, ~std::uint64_t{0}}};
    snapshot.name = "after \xff-2";
    snapshot.user_data = {{"cache", "size", std::numeric_limits<std::int64_t>::min()}, {"", "", -1}, {"users", "number", 12}};
    snapshot.marks = {{"Before f()", snapshot.time - std::chrono::seconds(90), 4242, 1'000'000, {}},
                      {"\xff", decltype(snapshot.time)::min(), -1, ~std::uint64_t{0}, {{"cache", "size", 7}}}};
    snapshot.marks_dropped = 3;
    snapshot.probes = {{"malloc", "/lib/libc.so.6", 0x98e20, "malloc+0", "push rbp", "emulated", 812.5, 123'456},
                       {"obj.free", "/usr/bin/python3.11", 1, "", "", "single-stepped", 0, 0}};
    snapshot.losses = {{"live table full", 0, true}, {"untracked frees", 1204, false}};
    snapshot.notes = {"Blocks older than the trace are not seen.", "", "\xe2\x82\xac"};
    return snapshot;
}

Snapshot random_snapshot(std::mt19937_64& random) {
    constexpr std::array<std::string_view, 12> kFiles{"a.py",
                                                      "b.py",
                                                      "/srv/a.py",
                                                      "/srv/a.pyc",
                                                      "/srv/a.pyc.py",
                                                      "x.pyc",
                                                      "x.py",
                                                      "<unknown>",
                                                      "<frozen importlib._bootstrap>",
                                                      "\xc3\xa9.py",
                                                      "\xef\xbf\xbd.py",
                                                      "\xf0\x9f\x90\x8d.py"};
    constexpr std::array<std::string_view, 5> kDomains{"obj", "mem", "raw", "malloc", "mmap"};
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes.resize(1 + random() % 3);
    constexpr std::array<std::string_view, 4> kThreads{"", "python3", "worker-1", "\xc3\xa9"};
    snapshot.has_blocks = random() % 4 != 0;
    snapshot.threads_apart = random() % 3 == 0;
    snapshot.has_temporaries = random() % 3 != 0;
    const std::size_t sites = random() % 40;
    for (std::size_t i = 0; i < sites; ++i) {
        Site site;
        site.process = static_cast<std::uint32_t>(random() % snapshot.processes.size());
        site.domain = interner.string(kDomains[random() % kDomains.size()]);
        for (std::size_t depth = 1 + random() % 3; depth > 0; --depth) {
            const auto line = static_cast<std::uint32_t>(random() % 8 == 0 ? random() % 1'000'000 : random() % 4);
            const auto column = static_cast<std::uint32_t>(random() % 3);
            site.frames.push_back(
                interner.frame({kFiles[random() % kFiles.size()], line, "f", line == 0 || random() % 2 == 0, line + column, column, column * 7}));
        }
        site.total_frames = static_cast<std::uint32_t>(site.frames.size());
        std::vector<std::uint64_t> live;
        for (std::uint64_t blocks = random() % 6; blocks > 0; --blocks) {
            const std::uint64_t size = random_size(random);
            const bool freed = random() % 3 == 0;
            site.counters += Counters{1, size, freed ? 1U : 0U, freed ? size : 0};
            if (!freed) live.push_back(size);
        }
        if (snapshot.has_temporaries && site.counters.freed_blocks) site.counters.temporary_blocks = random() % (site.counters.freed_blocks + 1);
        if (snapshot.has_blocks) site.blocks = random_groups(random, std::move(live));
        if (snapshot.threads_apart) {
            site.thread = static_cast<std::int32_t>(random() % 4);
            site.thread_name = interner.string(kThreads[static_cast<std::size_t>(site.thread)]);
        }
        snapshot.sites.push_back(std::move(site));
    }
    return snapshot;
}

Snapshot large_snapshot(std::size_t count, std::size_t depth) {
    std::mt19937_64 random(count);
    Snapshot snapshot;
    Interner interner(snapshot);
    snapshot.processes = {{4242, "python3"}};
    const StringId domain = interner.string("obj");
    std::vector<FrameId> frames;
    constexpr std::size_t kLines = 20'000;  // That allocate, in a large program.
    for (std::size_t i = 0; i < std::min(count, kLines); ++i) {
        const std::string file = fmt::format("/usr/lib/python3/dist-packages/shop{}/module_{}.py", i % 97, i % 997);
        frames.push_back(interner.frame({file, static_cast<std::uint32_t>(i), fmt::format("Class{}.method_{}", i % 89, i), true}));
    }
    for (std::size_t i = 0; i < count; ++i) {
        Site site{.process = 0, .domain = domain, .total_frames = static_cast<std::uint32_t>(depth)};
        for (std::size_t k = 0; k < depth; ++k) site.frames.push_back(frames[random() % frames.size()]);
        const std::uint64_t blocks = 1 + random() % 5000, size = 16 * (1 + random() % 32);
        site.counters = {blocks, blocks * size, blocks / 3, blocks / 3 * size};
        snapshot.sites.push_back(std::move(site));
    }
    return snapshot;
}

Snapshot large_snapshot_with_blocks(std::size_t count, std::size_t depth, std::size_t groups) {
    std::mt19937_64 random(groups);
    Snapshot snapshot = large_snapshot(count, depth);
    snapshot.has_blocks = true;
    std::vector<std::map<std::pair<std::uint64_t, AgeStep>, std::uint64_t>> of_site(count);
    for (std::size_t made = 0; made < groups;) {
        // Few sites have many groups, as in programs: the square of a uniform number leans to the first ones.
        const std::size_t i = (random() % count) * (random() % count) / count;
        const std::uint64_t size = 16 * (1 + random() % (i % 3 == 0 ? 64 : 2));
        made += of_site[i].try_emplace({size, age_step(std::chrono::milliseconds(random() % 3'600'000))}, 1 + random() % 3).second ? 1 : 0;
    }
    for (std::size_t i = 0; i < count; ++i) {
        Site& site = snapshot.sites[i];
        site.counters = {};
        for (const auto& [key, blocks] : of_site[i]) {
            site.blocks.push_back({key.first, key.second, blocks});
            site.counters += {blocks, blocks * key.first, 0, 0};
        }
    }
    return snapshot;
}

SnapshotBuilder::SnapshotBuilder() { snapshot_.processes = {{4242, "python3"}}; }

SnapshotBuilder& SnapshotBuilder::python(std::string_view file, std::uint32_t line, std::uint64_t bytes, std::uint64_t blocks,
                                         std::string_view domain) {
    return site(interner_.frame({file, line, "f", true}), domain, bytes, blocks);
}

SnapshotBuilder& SnapshotBuilder::native(std::string_view file, std::uint32_t line, std::string_view function, std::uint64_t bytes,
                                         std::uint64_t blocks) {
    return site(interner_.frame({file, line, function, false}), "malloc", bytes, blocks);
}

SnapshotBuilder& SnapshotBuilder::site(FrameId frame, std::string_view domain, std::uint64_t bytes, std::uint64_t blocks) {
    snapshot_.sites.push_back({0, interner_.string(domain), {frame}, 1, {blocks, bytes, 0, 0}});
    return *this;
}

ScratchFolder::ScratchFolder() {
    std::string name = "/tmp/memtrace-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::size_t ScratchFolder::entries() const { return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {})); }

void write_file(const std::filesystem::path& path, std::string_view bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush();
    REQUIRE(file.good());
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<std::string> output_of(const std::string& command) {
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
    REQUIRE(pipe != nullptr);
    std::string output;
    std::array<char, 4096> piece;
    while (const std::size_t size = std::fread(piece.data(), 1, piece.size(), pipe)) output.append(piece.data(), size);
    const int status = ::pclose(pipe);
    if (status == 0) return output;
    UNSCOPED_INFO(command << " ended with status " << status << ": " << output);
    return std::nullopt;
}

}  // namespace memtrace::test
