// Functions that hand a request on to a hooked one: operator new that is a call of malloc, operator delete that is a jump to free.
// Probing both would cost twice and could count twice.
#pragma once

#include <cstdint>
#include <functional>

#include "probes/code_walk.hpp"
#include "probes/elf_image.hpp"

namespace memtrace {

using IsHooked = std::function<bool(const CodeTarget&)>;

/// What it is about: of a release only the first argument matters, and NULL is none.
enum class Request : std::uint8_t { allocation, release };

/// It is a jump to a hooked function with the arguments as they came.
bool jumps_on(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked, Request request);

/// On each way from its entry to a return it calls a hooked function. Ways that end in an exception do not return.
bool always_calls(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked);

/// Somewhere it calls a hooked function, or jumps to one.
bool may_call(const ElfImage& image, std::uint64_t entry, const IsHooked& hooked);

}  // namespace memtrace
