// What a running trace has answered, for people.
#pragma once

#include <string>

#include "control/json.hpp"

namespace memtrace::cli {

std::string render_status(const control::Json& status);
std::string render_checkpoints(const control::Json& answer);

/// The answer to `where`, of an address that was found.
std::string render_block(const control::Json& block);

}  // namespace memtrace::cli
