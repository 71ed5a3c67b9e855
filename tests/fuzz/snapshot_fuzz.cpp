// libFuzzer entry: no bytes crash the reader of snapshot files, and what it accepts survives being written again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "format/gzip.hpp"
#include "format/pprof.hpp"
#include "format/snapshot_wire.hpp"
#include "format/text.hpp"
#include "model/statistics.hpp"

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void use(const memtrace::Snapshot& snapshot) {
    using memtrace::GroupBy;
    for (const GroupBy by :
         {GroupBy::line, GroupBy::file, GroupBy::traceback, GroupBy::function, GroupBy::domain, GroupBy::process, GroupBy::thread}) {
        memtrace::View view{.filters = {.domains = {}, .files = {{false, "*[!a-c]?.py", {}, true}}}, .by = by};
        for (const memtrace::Lines lines : {memtrace::Lines::python, memtrace::Lines::native}) {
            view.lines = lines;
            for (const memtrace::Statistic& row : memtrace::statistics(snapshot, view)) require(!memtrace::format_line(row).empty());
        }
        const memtrace::Snapshot empty;
        for (const memtrace::StatisticDiff& row : memtrace::compare(snapshot, empty, view)) {
            require(!memtrace::printable(memtrace::format_line(row)).empty());
        }
    }
    const memtrace::Result<std::string> bytes = memtrace::encode_snapshot(snapshot);
    require(static_cast<bool>(bytes));
    const memtrace::Result<memtrace::Snapshot> again = memtrace::decode_snapshot(*bytes);
    require(again && *again == snapshot);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const memtrace::Result<memtrace::Snapshot> from_file = memtrace::decode_snapshot(bytes);
    if (from_file) use(*from_file);
    // gzip's checksum stops nearly every mutation of a file: the same bytes as what a file holds reach further.
    const memtrace::Result<memtrace::Snapshot> from_content = memtrace::wire::decode_profile(bytes);
    if (from_content) use(*from_content);
    return 0;
}
