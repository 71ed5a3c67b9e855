// Named sets of view options, kept in the user's configuration: `--preset NAME`, `--save-preset NAME`.
#pragma once

#include <string>
#include <vector>

#include "util/result.hpp"

namespace memtrace::cli {

/// memtrace-bpf/presets in $XDG_CONFIG_HOME or ~/.config; under sudo in that of the user who called it. Empty: there is no home.
std::string presets_file();

/// The words of a command line with `--preset NAME` replaced by what `file` holds for it, and `--save-preset NAME` taken out, after the view options
/// among the words were stored under that name. The file has sections "[NAME]" with one option a line: "--by file", "--cumulative". Only
/// options of views may stand there. It is read and written with the rights of the user who called sudo.
Result<std::vector<std::string>> with_presets(const std::vector<std::string>& words, const std::string& file);

}  // namespace memtrace::cli
