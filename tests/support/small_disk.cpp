#include "support/small_disk.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include "support/catch.hpp"

namespace memtrace::test {

SmallDisk::SmallDisk(const char* size) {
    if (geteuid() != 0 || mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, size) != 0) skip("cannot mount a tmpfs");
}

SmallDisk::~SmallDisk() { umount2(folder_.path().c_str(), MNT_DETACH); }

}  // namespace memtrace::test
