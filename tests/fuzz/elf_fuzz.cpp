// libFuzzer entry: any bytes as an ELF file, asked everything that the tracer asks. Build with
// clang++ -fsanitize=fuzzer,address,undefined together with userspace/probes and userspace/util.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "probes/elf_image.hpp"
#include "probes/forwarding.hpp"
#include "probes/function_exits.hpp"
#include "probes/planner.hpp"
#include "util/unique_fd.hpp"

namespace {

void ask(const memtrace::ElfImage& image, std::uint64_t address) {
    const auto bounds = image.function_bounds(address);
    const memtrace::ProbeRequest request{address, bounds ? bounds->second : 0, 3, true};
    (void)memtrace::plan_probe(image, request, memtrace::ProbeCosts::typical());
    (void)memtrace::plan_redirects(image, request, memtrace::ProbeCosts::typical());
    (void)memtrace::compared_in_code(image, address);
    const auto hooked = [](const memtrace::CodeTarget& target) { return target.import == "malloc"; };
    (void)memtrace::exits_through(image, address, request.end, hooked);
    (void)memtrace::jumps_on(image, address, hooked, memtrace::Request::release);
    (void)memtrace::always_calls(image, address, hooked);
    (void)memtrace::may_call(image, address, hooked);
    (void)image.import_at(address);
    (void)image.describe(address);
    (void)image.offset_of(address);
    (void)image.address_of(address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const memtrace::UniqueFd file(::memfd_create("fuzz", MFD_CLOEXEC));
    if (!file || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) return 0;
    const auto image = memtrace::ElfImage::open("/proc/self/fd/" + std::to_string(file.get()), "fuzz");
    if (!image) return 0;
    ask(*image, image->entry_point());
    for (const memtrace::CodeView& code : image->code()) {
        ask(*image, code.address);
        ask(*image, code.address + code.bytes.size() / 2);
        ask(*image, code.end());
    }
    if (const auto symbol = image->find_symbol("malloc")) ask(*image, symbol->address);
    return 0;
}
