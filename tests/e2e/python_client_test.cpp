// The module memtrace_bpf in processes that are really traced.
#include <filesystem>
#include <sstream>

#include "support/catch.hpp"
#include "support/python.hpp"
#include "support/tracer.hpp"

using namespace memtrace::test;

namespace {

Interpreter with_module(Interpreter python) {
    python.environment.emplace_back("PYTHONPATH", std::filesystem::absolute("python"));
    return python;
}

/// What stands behind the name on the next such line.
std::string fact(Child& session, const std::string& name) {
    // Ten million traced allocations take ten seconds alone, and more on a busy machine.
    return session.wait_line(name, std::chrono::seconds(240)).substr(name.size() + 1);
}

}  // namespace

RULE("in a traced process the documented session measures what the process does, byte for byte") {
    require_root();
    long numbers = 10'000'000;
    for (const Interpreter& python : chosen_pythons()) {
        CAPTURE(python.name);
        Child session = start_python(with_module(python), "client_session.py", {std::to_string(numbers)});
        Tracer tracer = Tracer::attach(session, {"--live-blocks", "16000000", "--interval", "3600"});
        session.send_line("go");

        CHECK(fact(session, "import") == "memtrace_bpf import True");
        CHECK(fact(session, "twice") == "0 True");
        const int beside = std::stoi(fact(session, "megabyte"));  // the object, a byte behind its bytes, and the number before
        CHECK(beside > 50);
        CHECK(beside < 200);
        CHECK(fact(session, "IDs") == "before after after-2");
        const std::string factor = fact(session, "factor");
        if (numbers == 10'000'000) CHECK(factor.starts_with("True"));
        // A pointer and a number each; those below 257 are not made, and those of one digit may be 24 or 28 bytes.
        const long grew = std::stol(fact(session, "grew"));
        CHECK(grew > numbers * (8 + 24));
        CHECK(grew < numbers * (9 + 32) + 100'000);
        CHECK(fact(session, "answer") == "42 Before answer() After answer()");
        CHECK(fact(session, "trace").starts_with("True"));
        CHECK(fact(session, "peak") == "True");
        CHECK(fact(session, "checkpoint") == "full True");
        CHECK(fact(session, "checkpoint") == "full-2");
        // A hundred texts and their list: 33 bytes beside each text, and the list's own.
        std::istringstream top(fact(session, "top"));
        std::string file;
        int blocks = 0, others = 0;
        top >> file >> blocks >> others;
        CHECK(file == "client_session.py");
        CHECK((blocks >= 101 && blocks <= 102));
        CHECK((others > 3300 && others < 6000));
        CHECK(fact(session, "reset") == "True True");
        CHECK(fact(session, "clear") == "True");
        session.wait_line("done");
        session.close_stdin();
        session.wait();
        tracer.finish();
        numbers = 1'000'000;  // the first one has shown the large factor
    }
}

RULE("a process whose tracer ends goes on, and its points record nothing") {
    require_root();
    const Interpreter python = with_module(static_python());
    Child session = start_python(python, "client_points.py", {});
    {
        Tracer tracer = Tracer::attach(session);
        session.send_line("go");
        CHECK(fact(session, "memory") != "None");
        tracer.stop();
    }
    session.send_line("go");
    CHECK(fact(session, "memory") == "None");
    {
        Tracer tracer = Tracer::attach(session);
        session.send_line("go");
        CHECK(fact(session, "memory") != "None");
        session.close_stdin();
        CHECK(session.wait() == Ending{});
        tracer.finish();
    }
}
