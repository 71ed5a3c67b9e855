// Naming native frames: many calls all over a big program with debug information, first and again. Almost every compilation unit is read.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <random>

#include "measurements.hpp"
#include "symbolizer/native.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::bench {
namespace {

constexpr std::size_t frames = 10'000;

// The code of a program as if it ran here: addresses are looked up by what is mapped.
std::span<const std::byte> map_code(const char* path) {
    const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
    Elf64_Ehdr header{};
    if (!file || pread(file.get(), &header, sizeof header, 0) != sizeof header) return {};
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        if (pread(file.get(), &segment, sizeof segment, static_cast<off_t>(header.e_phoff + i * sizeof segment)) != sizeof segment) return {};
        if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
        void* at = mmap(nullptr, segment.p_filesz, PROT_READ | PROT_EXEC, MAP_PRIVATE, file.get(), static_cast<off_t>(segment.p_offset));
        if (at == MAP_FAILED) return {};
        return {static_cast<const std::byte*>(at), segment.p_filesz};
    }
    return {};
}

// Where direct calls return to, as far as a byte tells; spread over the whole code.
std::vector<std::uint64_t> calls_in(std::span<const std::byte> code) {
    std::vector<std::uint64_t> addresses;
    std::mt19937_64 random(1);
    while (addresses.size() < frames) {
        std::size_t at = random() % (code.size() - 4096);
        const std::size_t end = at + 4000;
        while (at < end && code[at] != std::byte{0xe8}) ++at;
        addresses.push_back(reinterpret_cast<std::uint64_t>(code.data()) + at + 5);
    }
    return addresses;
}

double milliseconds(NativeSymbolizer& symbolizer, const std::vector<std::uint64_t>& addresses, std::size_t& lines) {
    const auto begin = std::chrono::steady_clock::now();
    symbolizer.prepare(addresses);
    lines = 0;
    for (const std::uint64_t address : addresses)
        for (const NativeLocation& location : symbolizer.resolve_all(address)) lines += location.line > 0 ? 1 : 0;
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Result<void> measure_symbols(std::vector<Figure>& figures) {
    const char* program = access("build/unit-tests", R_OK) == 0 ? "build/unit-tests" : "build/memtrace-bpf";
    const std::span<const std::byte> code = map_code(program);
    if (code.size() < 8192) return Error{std::string("cannot map the code of ") + program};
    const std::vector<std::uint64_t> addresses = calls_in(code);
    NativeSymbolizer symbolizer(getpid());
    std::size_t lines = 0;
    const double first = milliseconds(symbolizer, addresses, lines);
    const double again = milliseconds(symbolizer, addresses, lines);
    munmap(const_cast<std::byte*>(code.data()), code.size());
    const std::string detail = fmt::format("{}: {:.1f} MiB of code, {} lines, inlined ones included", program,
                                           static_cast<double>(code.size()) / 1048576, lines);
    figures.push_back({"10 000 native frames named for the first time", "ms", first, 2000, detail});
    figures.push_back({"the same again", "ms", again, 50, ""});
    return {};
}

}  // namespace memtrace::bench
