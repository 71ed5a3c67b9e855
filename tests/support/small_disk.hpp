// A file system of its own that is soon full.
#pragma once

#include "support/files.hpp"

namespace memtrace::test {

/// Mounted until it is destroyed; skips the rule where that is not possible.
class SmallDisk {
public:
    /// `size`: as mount has it, "size=4k".
    explicit SmallDisk(const char* size);
    ~SmallDisk();
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

private:
    TemporaryFolder folder_;
};

}  // namespace memtrace::test
