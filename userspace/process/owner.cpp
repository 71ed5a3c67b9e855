#include "process/owner.hpp"

#include <sys/stat.h>

#include <string>

namespace memtrace {

std::optional<uid_t> owner_of(const Target& target) {
    struct stat status {};
    if (stat(("/proc/" + std::to_string(target.pid())).c_str(), &status) != 0) return std::nullopt;
    // Asked afterwards: while it lives, nobody else has its number.
    if (!target.alive()) return std::nullopt;
    return status.st_uid;
}

}  // namespace memtrace
