// A snapshot as plain data for programs of all kinds. docs/exports.md describes both.
#pragma once

#include <string>

#include "model/snapshot.hpp"
#include "model/stack.hpp"

namespace memtrace {

/// All that the snapshot holds, as one JSON object. Names that are not UTF-8 have their bytes escaped as \xNN.
std::string encode_json(const Snapshot& snapshot);

/// One row a site, under a row of names; RFC 4180 with lines ended by \n. Control characters in names but newlines, and bytes that are not UTF-8, are
/// escaped as \xNN. File, line and function are those of the frame the site is shown by.
std::string encode_csv(const Snapshot& snapshot, Lines lines);

}  // namespace memtrace
