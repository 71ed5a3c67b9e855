#include "process/code_notice.hpp"

#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

#include "util/unique_fd.hpp"

namespace memtrace {
namespace {

// About 600 records a CPU; an exec makes five. More between two looks are told of as lost.
constexpr std::size_t data_bytes = std::size_t{64} << 10;
constexpr auto rest_between_looks = std::chrono::milliseconds(10);

// PERF_RECORD_MMAP2 up to the name, as linux/perf_event.h describes it.
struct MappingRecord {
    perf_event_header header;
    std::uint32_t pid, tid;
    std::uint64_t address, length, file_offset;
    std::uint32_t major, minor;
    std::uint64_t inode, inode_generation;
    std::uint32_t protection, flags;
};

UniqueFd open_event(int cpu) {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_DUMMY;
    attributes.size = sizeof attributes;
    attributes.mmap = 1;
    attributes.mmap2 = 1;
    attributes.sample_id_all = 1;
    attributes.sample_type = PERF_SAMPLE_TIME;
    attributes.use_clockid = 1;
    attributes.clockid = CLOCK_MONOTONIC;
    attributes.watermark = 1;
    attributes.wakeup_watermark = 1;
    return UniqueFd(static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
}

/// The records of one CPU: an event and the memory that the kernel writes them to.
class Ring {
public:
    static std::optional<Ring> map(UniqueFd event) {
        static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        void* memory = mmap(nullptr, page + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, event.get(), 0);
        if (memory == MAP_FAILED) return std::nullopt;
        return Ring(std::move(event), static_cast<std::byte*>(memory), page);
    }
    Ring(Ring&& other) noexcept : event_(std::move(other.event_)), memory_(std::exchange(other.memory_, nullptr)), page_(other.page_) {}
    Ring& operator=(Ring&&) = delete;
    ~Ring() {
        if (memory_) munmap(memory_, page_ + data_bytes);
    }
    [[nodiscard]] int fd() const { return event_.get(); }

    /// Hands over what the kernel has written since.
    template <typename Handler>
    void take(Handler&& handler) {
        auto& page = *reinterpret_cast<perf_event_mmap_page*>(memory_);
        const std::uint64_t head = __atomic_load_n(&page.data_head, __ATOMIC_ACQUIRE);
        std::uint64_t at = page.data_tail;
        std::vector<std::byte> record;
        while (at < head) {
            perf_event_header header{};
            copy(at, std::as_writable_bytes(std::span(&header, 1)));
            if (header.size < sizeof header || header.size > head - at) break;
            record.resize(header.size);
            copy(at, record);
            handler(std::span<const std::byte>(record));
            at += header.size;
        }
        __atomic_store_n(&page.data_tail, head, __ATOMIC_RELEASE);
    }

private:
    Ring(UniqueFd event, std::byte* memory, std::size_t page) : event_(std::move(event)), memory_(memory), page_(page) {}
    void copy(std::uint64_t from, std::span<std::byte> to) const {
        const std::byte* data = memory_ + page_;
        const std::size_t start = from % data_bytes;
        const std::size_t first = std::min(to.size(), data_bytes - start);
        std::memcpy(to.data(), data + start, first);
        std::memcpy(to.data() + first, data, to.size() - first);
    }

    UniqueFd event_;
    std::byte* memory_;
    std::size_t page_;
};

}  // namespace

bool parse_code_record(std::span<const std::byte> record, CodeMapping& mapping) {
    MappingRecord fields{};
    std::uint64_t time = 0;
    if (record.size() < sizeof fields + sizeof time) return false;
    std::memcpy(&fields, record.data(), sizeof fields);
    if (fields.header.type != PERF_RECORD_MMAP2 || fields.inode == 0) return false;
    std::memcpy(&time, record.data() + record.size() - sizeof time, sizeof time);
    const auto name = record.subspan(sizeof fields, record.size() - sizeof fields - sizeof time);
    const auto* text = reinterpret_cast<const char*>(name.data());
    mapping = {.pid = static_cast<int>(fields.pid),
               .start = fields.address,
               .end = fields.address + fields.length,
               .file_offset = fields.file_offset,
               .device = makedev(fields.major, fields.minor),
               .inode = fields.inode,
               .path = std::string(text, strnlen(text, name.size())),
               .time = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(time))};
    return true;
}

struct CodeNotice::State {
    std::vector<Ring> rings;
    UniqueFd any;  ///< epoll of all.
    std::chrono::steady_clock::time_point looked{};
};

CodeNotice::CodeNotice(std::unique_ptr<State> state) : state_(std::move(state)) {}
CodeNotice::CodeNotice(CodeNotice&&) noexcept = default;
CodeNotice& CodeNotice::operator=(CodeNotice&&) noexcept = default;
CodeNotice::~CodeNotice() = default;

Result<CodeNotice> CodeNotice::open() {
    auto state = std::make_unique<State>();
    state->any = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
    if (!state->any) return errno_error("epoll", errno);
    for (int cpu = 0; cpu < get_nprocs_conf(); ++cpu) {
        UniqueFd event = open_event(cpu);
        if (!event && errno == ENODEV) continue;  // switched off
        if (!event) return errno_error("opening an event for mappings on CPU " + std::to_string(cpu), errno);
        std::optional<Ring> ring = Ring::map(std::move(event));
        if (!ring) return errno_error("mapping the records of CPU " + std::to_string(cpu), errno);
        epoll_event wanted{.events = EPOLLIN, .data = {}};
        if (epoll_ctl(state->any.get(), EPOLL_CTL_ADD, ring->fd(), &wanted) != 0) return errno_error("epoll", errno);
        state->rings.push_back(*std::move(ring));
    }
    return CodeNotice(std::move(state));
}

int CodeNotice::poll_fd() const { return std::chrono::steady_clock::now() - state_->looked < rest_between_looks ? -1 : state_->any.get(); }

NewCode CodeNotice::take(const std::function<bool(int pid)>& wanted) {
    NewCode code;
    bool any = false;
    for (Ring& ring : state_->rings) {
        ring.take([&](std::span<const std::byte> record) {
            any = true;
            CodeMapping mapping;
            if (parse_code_record(record, mapping)) {
                if (wanted(mapping.pid)) code.mappings.push_back(std::move(mapping));
                return;
            }
            perf_event_header header{};
            std::memcpy(&header, record.data(), sizeof header);
            code.lost = code.lost || header.type == PERF_RECORD_LOST;
        });
    }
    if (any) state_->looked = std::chrono::steady_clock::now();
    return code;
}

}  // namespace memtrace
