// See commands.hpp.
#include "support/commands.hpp"

#include "support/catch.hpp"

namespace memtrace::test {
namespace {

Child run_command(const Child& target, Arguments arguments) {
    arguments.insert(arguments.end(), {"-p", std::to_string(target.pid())});
    return run(tracer_command(arguments));
}

}  // namespace

std::string command(const Child& target, Arguments arguments) {
    Child child = run_command(target, std::move(arguments));
    const Ending ending = child.wait();
    INFO(child.transcript());
    REQUIRE(ending == Ending{false, 0});
    return child.output();
}

std::string failing_command(const Child& target, Arguments arguments, int status) {
    Child child = run_command(target, std::move(arguments));
    const Ending ending = child.wait();
    INFO(child.transcript());
    REQUIRE(ending == Ending{false, status});
    REQUIRE(child.errors().starts_with("memtrace-bpf: "));
    return child.errors();
}

nlohmann::json json_command(const Child& target, Arguments arguments) {
    arguments.emplace_back("--json");
    return nlohmann::json::parse(command(target, std::move(arguments)));
}

Snapshot snapshot_of(const Child& target, Arguments arguments) {
    const TemporaryFolder folder;
    arguments.insert(arguments.begin(), {"snapshot", "-o", folder.file("s.pb.gz")});
    command(target, std::move(arguments));
    return load_snapshot(folder.file("s.pb.gz"));
}

std::string socket_of(const Child& target) { return "/run/memtrace-bpf/" + std::to_string(target.pid()) + ".sock"; }
std::string log_of(const Child& target) { return "/run/memtrace-bpf/" + std::to_string(target.pid()) + ".log"; }

Background::Background(const Child& target, const Arguments& options) : target_(target) {
    require_root();
    Arguments arguments{"start"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    command(target, arguments);
}

Background::~Background() {
    if (!stopped_) (void)run_command(target_, {"stop"});
}

void Background::stop() {
    stopped_ = true;
    command(target_, {"stop"});
}

}  // namespace memtrace::test
