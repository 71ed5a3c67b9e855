// The Python side of the tests: which interpreters there are and what they are, runs of the corpus driver, and tables of allocators.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/snapshot.hpp"
#include "support/process.hpp"

namespace memtrace::test {

/// The corpus, copied to where an interpreter in another root can read it; removed with the last one who holds it.
class CopiedScripts {
public:
    explicit CopiedScripts(const std::string& root);
    ~CopiedScripts();
    CopiedScripts(const CopiedScripts&) = delete;
    CopiedScripts& operator=(const CopiedScripts&) = delete;
    /// As seen in the root.
    [[nodiscard]] const std::string& folder() const { return folder_; }

private:
    std::string root_;
    std::string folder_;
};

struct Interpreter {
    std::string name;
    std::string path;       ///< As seen in its root.
    std::string root = {};  ///< It is run there by chroot; empty: ours.
    std::vector<std::pair<std::string, std::string>> environment = {};
    std::vector<std::string> options = {};  ///< Of the interpreter: "-X", "dev".
    std::shared_ptr<const CopiedScripts> scripts = {};

    /// Where it finds a script of the corpus.
    [[nodiscard]] std::string script(const std::string& script_name) const;
};
/// The distribution's static executable (PGO, LTO: allocators inlined behind guards). Skips the rule when there is none.
Interpreter static_python();
/// A plain build in a shared libpython 3.11: $MEMTRACE_PYTHON_SHARED, one of ~/.pyenv, or a host program of the distribution's
/// library. Skips the rule when there is none.
Interpreter shared_python();
bool has_numpy(const Interpreter& interpreter);

/// What runs there, as it tells itself and as its mappings show.
struct PythonBuild {
    unsigned major = 0;
    unsigned minor = 0;
    std::string version;  ///< "3.13.5"
    bool shared = false;  ///< In a libpython of its own.
    bool pie = false;     ///< The executable.
    bool debug = false;
    bool endbr64 = false;  ///< Functions begin with it.
    bool free_threaded = false;

    [[nodiscard]] bool traceable() const { return major == 3 && minor >= 8 && minor <= 15 && !free_threaded; }
    /// "static, debug, endbr64"
    [[nodiscard]] std::string kind() const;
};
PythonBuild build_of(const Interpreter& interpreter);

/// Every interpreter found: the system's, those of version managers, and $PYTHONS (paths with ':' between; ROOT!PATH is run by chroot
/// in ROOT). Programs reached by several paths count once.
std::vector<Interpreter> find_pythons();

/// Those a small selection of tests runs on: the system's, and the oldest and the newest of all others found that are release builds.
/// Skips the rule when there is none.
std::vector<Interpreter> chosen_pythons();

/// Live bytes and blocks of one Python line.
struct PythonLine {
    std::int64_t bytes = 0;
    std::int64_t blocks = 0;
    bool operator==(const PythonLine&) const = default;
};
/// By "FILE:LINE", the file without its folders.
using PythonLines = std::map<std::string, PythonLine>;

/// Two runs use the same sizes only at the same addresses: a class keeps its address as an int, of 28 bytes below 2^30 and of 32 above.
enum class Addresses { fixed, random };

/// Starts a script of the corpus and waits until it is ready.
Child start_python(const Interpreter& interpreter, const std::string& script, const std::vector<std::string>& arguments,
                   Addresses addresses = Addresses::fixed);
/// Runs a script in driver mode `mode` ("blocks", "objects" or "traced") up to "ready".
Child start_script(const Interpreter& interpreter, const std::string& script, const std::string& mode, unsigned frames = 1);

/// forever.py, ready.
Child start_forever(const Interpreter& interpreter);
/// The fifteen words of the three allocator tables, as the interpreter's own API reads them.
std::string allocator_tables(Child& forever);
/// How far a forever program (C or Python) has come.
std::uint64_t progress(Child& forever);
/// Requires that it answers, and comes further between two answers.
void require_progress(Child& forever);

}  // namespace memtrace::test
