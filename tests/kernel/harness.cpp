// Opens sessions on children and sums up the kernel's tables; see harness.hpp.
#include "kernel/harness.hpp"

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "support/catch.hpp"

namespace memtrace::test {
namespace {

Session attached(const Child& child, const SessionOptions& options, std::optional<AttachMethod> method) {
    Result<Session> session = open_session(child, options, method);
    if (!session) FAIL(session.error().what);
    if (const Result<void> done = session->update(Loading::complete); !done) FAIL(done.error().what);
    return *std::move(session);
}

// Where ledger.h lies.
std::string workload_sources() { return std::filesystem::path(script_path("")).parent_path().parent_path(); }

}  // namespace

const Calibration& calibrated() {
    require_root();
    static const Result<Calibration> calibration = calibrate();
    if (!calibration) FAIL(calibration.error().what);
    return *calibration;
}

Result<Session> open_session(const Child& child, const SessionOptions& options, std::optional<AttachMethod> method) {
    Calibration calibration = calibrated();
    calibration.method = method.value_or(calibration.method);
    Result<Target> target = Target::open(child.pid());
    if (!target) return std::move(target).error();
    return Session::open(*std::move(target), calibration, options);
}

Trace::Trace(const Child& child, const SessionOptions& options, std::optional<AttachMethod> method)
    : session_(attached(child, options, method)), collector_(session_) {
    session_.start();
}

std::string Trace::wait_line(Child& child, const std::string& prefix, std::chrono::seconds limit) {
    // Reading the child fails the test when it must, which only its own thread may do: so the ring is read by the other one.
    struct Reader {
        std::atomic<bool> done = false;
        std::thread thread;
        ~Reader() {
            done = true;
            thread.join();
        }
    } reader;
    reader.thread = std::thread([&] {
        while (!reader.done) {
            collector_.consume();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    return child.wait_line(prefix, limit);
}

Snapshot Trace::stop() {
    const Result<void> stopped = session_.stop();
    if (!stopped) FAIL(stopped.error().what);
    return collector_.snapshot();
}

std::string compile_c(const TemporaryFolder& folder, const std::string& name, const std::string& source) {
    const std::string file = folder.file(name + ".c");
    const std::string program = folder.file(name);
    write_text(file, source);
    Child compiler = run(
        {"gcc", "-g", "-O1", "-fno-builtin", "-fno-omit-frame-pointer", "-D_GNU_SOURCE", "-pthread", "-I", workload_sources(), "-o", program, file});
    const Ending ending = compiler.wait();
    if (ending == Ending{false, 127}) skip("there is no gcc");
    INFO(compiler.transcript());
    REQUIRE(ending == Ending{false, 0});
    return program;
}

std::map<std::uint32_t, Held> live_table(const KernelSide& kernel) {
    const std::uint64_t slot = const_cast<KernelSide&>(kernel).process().slot;
    std::map<std::uint32_t, Held> held;
    std::set<std::uint64_t> keys;
    std::uint64_t incomplete = 0, foreign = 0, repeated = 0;
    for (const mt_bucket& bucket : kernel.live()) {
        for (unsigned i = 0; i < MT_BUCKET_SLOTS; ++i) {
            const std::uint64_t key = bucket.keys[i];
            if (key == MT_KEY_FREE) continue;
            incomplete += key == MT_KEY_BUSY;
            foreign += key >> MT_KEY_ADDRESS_BITS != slot;
            repeated += !keys.insert(key).second;
            Held& site = held[bucket.blocks[i].site];
            ++site.blocks;
            site.bytes += bucket.blocks[i].size_bytes;
        }
    }
    REQUIRE(incomplete == 0);
    REQUIRE(foreign == 0);
    REQUIRE(repeated == 0);
    return held;
}

std::map<std::uint32_t, Held> live_by_counters(const KernelSide& kernel) {
    std::map<std::uint32_t, Held> held;
    const auto sites = kernel.sites();
    for (std::uint32_t id = 0; id < sites.size(); ++id) {
        const Held site{sites[id].allocated_blocks - sites[id].freed_blocks, sites[id].allocated_bytes - sites[id].freed_bytes};
        if (site != Held{}) held[id] = site;
    }
    return held;
}

}  // namespace memtrace::test
