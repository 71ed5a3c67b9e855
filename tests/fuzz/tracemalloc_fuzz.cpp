// libFuzzer entry: no bytes crash the reader of tracemalloc's files, and what it accepts can be written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "format/pprof.hpp"
#include "format/tracemalloc_file.hpp"

namespace {

void require_pickle(bool condition) {
    if (!condition) std::abort();
}

}  // namespace

#ifdef MEMTRACE_FUZZ_IN_UNIT_TESTS
static int fuzz_tracemalloc(const std::uint8_t* data, std::size_t size) {
#else
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
#endif
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const memtrace::Result<memtrace::Snapshot> snapshot = memtrace::decode_tracemalloc(bytes);
    if (!snapshot) return 0;
    require_pickle(static_cast<bool>(memtrace::encode_snapshot(*snapshot)));
    const memtrace::Result<memtrace::TracemallocFile> file = memtrace::encode_tracemalloc(*snapshot, memtrace::Lines::python, 15);
    // Sums beyond 64 bits are not kept, nor blocks without number: then it is enough that nothing broke.
    if (!file || file->blocks_split_evenly != 0) return 0;
    const memtrace::Result<memtrace::Snapshot> again = memtrace::decode_tracemalloc(file->bytes);
    require_pickle(again && again->sites.size() <= snapshot->sites.size());
    require_pickle(again->processes.front().traced_bytes == snapshot->processes.front().traced_bytes);
    return 0;
}
