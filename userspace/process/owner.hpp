// Whose process it is: who may ask about it.
#pragma once

#include <sys/types.h>

#include <optional>

#include "process/target.hpp"

namespace memtrace {

/// Who may look into the living process: the owner of /proc/PID, which is root where the program may not be looked into by its own user
/// (set-user-ID programs, unreadable files). Nothing when it has ended.
std::optional<uid_t> owner_of(const Target& target);

}  // namespace memtrace
