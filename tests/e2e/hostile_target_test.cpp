// Targets that do what they can to confuse who looks at them.
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/files.hpp"
#include "support/ledger.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

std::string compile(const TemporaryFolder& folder, const std::string& name, const std::string& source, const std::string& flags = "") {
    write_text(folder.file(name + ".c"), source);
    Child compiler = run(
        {"sh", "-c", "gcc -g -O1 -fno-builtin -fno-omit-frame-pointer " + flags + " " + folder.file(name + ".c") + " -o " + folder.file(name)});
    INFO(compiler.transcript());
    REQUIRE(compiler.wait() == Ending{false, 0});
    return folder.file(name);
}

// A name that rings, clears the screen, sets the title, and pretends to be a line of the report.
const std::string evil =
    "lib\x1b[2J\x1b]0;owned\x07\nnote: all is well\r\x9b"
    "31m.so";

constexpr const char* library = R"(
#include <stdlib.h>
void *malloc(size_t size) { static char heap[1 << 16]; static size_t used; void *p = heap + used; used += (size + 31) & ~15ul; return p; }
void free(void *p) { (void)p; __asm__ volatile(""); }
__attribute__((noinline)) void use(void) { for (int i = 0; i < 10; i++) { void *p = malloc(100); __asm__ volatile("" :: "r"(p)); } }
)";

constexpr const char* loader = R"(
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(int count, char **arguments)
{
    (void)count;
    prctl(PR_SET_NAME, "a\x1b[31m\nb");
    setvbuf(stdout, NULL, _IONBF, 0);
    puts("ready");
    getchar();
    void *handle = dlopen(arguments[1], RTLD_NOW);
    if (!handle) return 3;
    usleep(300000);
    ((void (*)(void))dlsym(handle, "use"))();
    puts("done");
    getchar();
    return 0;
}
)";

// In CSV a quoted field may have newlines.
enum class Newlines : bool { of_ours, of_names };
bool only_text(const std::string& output, Newlines newlines = Newlines::of_ours) {
    for (const unsigned char byte : output)
        if ((byte < 0x20 && byte != '\n') || byte == 0x7f) return false;
    if (newlines == Newlines::of_ours && contains(output, "\nnote: all is well")) return false;
    return !contains(output, std::string("\x9b") + "31m");
}

std::string output_of(const Arguments& arguments) {
    Child child = run(tracer_command(arguments));
    const Ending ending = child.wait();
    INFO(child.transcript());
    CHECK(ending == Ending{false, 0});
    return child.output() + child.errors();
}

}  // namespace

RULE("names with newlines and terminal escapes are shown as text in every output") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "loader", loader);
    std::filesystem::rename(compile(folder, "plain.so", library, "-shared -fPIC -Wl,-Bsymbolic -s"), folder.path() / evil);
    Child child({program, folder.path() / evil});
    child.wait_line("ready");
    Tracer tracer = Tracer::attach(child, {"--frames", "4"});
    child.send_line("");
    child.wait_line("done");
    std::string live;
    for (const Arguments& arguments : {Arguments{"status", "-p"}, {"probes", "-p"}}) {
        Arguments words = arguments;
        words.push_back(std::to_string(child.pid()));
        if (words.front() == "probes") continue;  // one tracer at a time
        live += output_of(words);
    }
    const Snapshot snapshot = tracer.stop();
    live += tracer.process().output() + tracer.process().errors();
    CHECK(contains(live, "\\x1b[2J"));
    CHECK(only_text(live));
    CHECK(lost(snapshot) == "");
    const TemporaryFolder files;
    REQUIRE(std::filesystem::copy_file(tracer.snapshot_path(), files.file("s")));
    for (const Arguments& how : {Arguments{},
                                 {"--pretty"},
                                 {"--csv"},
                                 {"--json"},
                                 {"--by", "traceback"},
                                 {"--by", "process"},
                                 {"--by", "traceback", "--tracebacks", "--lines", "mixed"}}) {
        Arguments words{"stats", files.file("s"), "--allocated"};
        words.insert(words.end(), how.begin(), how.end());
        const Newlines newlines = how == Arguments{"--csv"} ? Newlines::of_names : Newlines::of_ours;
        const std::string text = output_of(words);
        INFO(text);
        CHECK(only_text(text, newlines));
        words[0] = "diff";
        words.insert(words.begin() + 2, files.file("s"));
        CHECK(only_text(output_of(words), newlines));
    }
    for (const char* format : {"folded", "speedscope", "json", "csv"}) {
        INFO(format);
        output_of({"export", files.file("s"), "--to", format, "-o", files.file(format)});
        CHECK(only_text(read_text(files.file(format)), std::string(format) == "csv" ? Newlines::of_names : Newlines::of_ours));
    }
}

RULE("a program with as many mappings as the kernel allows is traced like others") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "mapper", R"(
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
int main(void)
{
    long made = 0;
    char *at = mmap(NULL, 65536L * 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    while (mprotect(at + made * 8192, 4096, made % 2 ? PROT_READ | PROT_EXEC : PROT_READ) == 0 && made < 65535) made++;
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("ready %ld\n", made);
    getchar();
    for (int i = 0; i < 10; i++) { void *p = malloc(1000); __asm__ volatile("" :: "r"(p)); }
    puts("done");
    getchar();
    return 0;
}
)");
    Child child({program});
    CHECK(std::stol(child.wait_line("ready").substr(6)) > 30'000);
    const auto begin = std::chrono::steady_clock::now();
    Tracer tracer = Tracer::attach(child);
    child.send_line("");
    child.wait_line("done");
    const Snapshot snapshot = tracer.stop();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
    CHECK(lines_of_file(snapshot, "mapper.c") == Lines{{"mapper.c:13", {10, 10'000, 10, 10'000}}});
    CHECK(lost(snapshot) == "");
}

RULE("an allocator in memory without a name in the file system is traced: a memfd, and a deleted library") {
    const TemporaryFolder folder;
    const std::string library_file = compile(folder, "lib.so", library, "-shared -fPIC -Wl,-Bsymbolic");
    const std::string program = compile(folder, "nameless", R"(
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
int main(int count, char **arguments)
{
    char path[64];
    int from = open(arguments[1], O_RDONLY), to = memfd_create("nameless", 0);
    while (sendfile(to, from, NULL, 1 << 20) > 0) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", to);
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, open("/dev/zero", O_RDWR), 0);
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *first = dlopen(path, RTLD_NOW), *second = dlopen(arguments[1], RTLD_NOW);
    if (!first || !second || first == second) return 3;
    unlink(arguments[1]);
    setvbuf(stdout, NULL, _IONBF, 0);
    puts("ready");
    getchar();
    ((void (*)(void))dlsym(first, "use"))();
    ((void (*)(void))dlsym(second, "use"))();
    puts("done");
    getchar();
    return count > 9;
}
)");
    Child child({program, library_file});
    child.wait_line("ready");
    Tracer tracer = Tracer::attach(child);
    child.send_line("");
    child.wait_line("done");
    const Snapshot snapshot = tracer.stop();
    CHECK(lines_of_file(snapshot, "lib.so.c") == Lines{{"lib.so.c:5", {20, 2000, 20, 2000}}});
    CHECK(lost(snapshot) == "");
}

RULE("a library that is replaced while it runs is named by what runs, not by what lies there now") {
    const TemporaryFolder folder;
    const std::string program = compile(folder, "loader", loader);
    const std::string running = compile(folder, "lib.so", library, "-shared -fPIC -Wl,-Bsymbolic");
    Child child({program, running});
    child.wait_line("ready");
    Tracer tracer = Tracer::attach(child);
    child.send_line("");
    REQUIRE(eventually([&] { return contains(read_text("/proc/" + std::to_string(child.pid()) + "/maps"), running); }));
    const std::string newer = compile(folder, "newer.so", std::string(40, '\n') + library, "-shared -fPIC -Wl,-Bsymbolic");
    std::filesystem::rename(newer, running);
    child.wait_line("done");
    const Snapshot snapshot = tracer.stop();
    CHECK(lines_of_file(snapshot, "lib.so.c").at("lib.so.c:5").allocated_blocks == 10);
    CHECK(lines_of_file(snapshot, "newer.so.c").empty());
}

RULE("few open files and little locked memory are enough, or are named") {
    const TemporaryFolder folder;
    for (const char* limit : {"--nofile=64", "--nofile=20", "--nofile=8", "--memlock=65536"}) {
        INFO(limit);
        Child child({workload_path("ledger_single")});
        child.wait_line("ready");
        Arguments command{"prlimit", limit};
        for (const std::string& word : tracer_command({"-p", std::to_string(child.pid()), "--duration", "0.2"})) command.push_back(word);
        Child tracer = run(command);
        const Ending ending = tracer.wait();
        INFO(tracer.transcript());
        CHECK((ending == Ending{false, 0} || ending == Ending{false, 1}));
        if (ending == Ending{false, 1}) CHECK((contains(tracer.errors(), "Too many open files") || contains(tracer.errors(), "ulimit")));
        if (std::string(limit) == "--nofile=64") CHECK(ending == Ending{false, 0});
    }
}
