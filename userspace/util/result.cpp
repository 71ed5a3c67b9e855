#include "util/result.hpp"

#include <system_error>

namespace memtrace {

Error errno_error(std::string what, int code, std::string hint) {
    return Error{std::move(what) + ": " + std::generic_category().message(code), std::move(hint)};
}

}  // namespace memtrace
