// What a running trace has answered, for people.
#pragma once

#include <string>

#include "control/json.hpp"

namespace memtrace::cli {

std::string render_status(const control::Json& status);
std::string render_checkpoints(const control::Json& answer);

}  // namespace memtrace::cli
