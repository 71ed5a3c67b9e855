// Removing a probe waits until no processor can be in it: tens of milliseconds each, whoever it was attached to. Done aside, many at once.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "loader/attach.hpp"

namespace memtrace {

class LinkRemover {
public:
    LinkRemover() = default;
    LinkRemover(const LinkRemover&) = delete;
    LinkRemover& operator=(const LinkRemover&) = delete;
    ~LinkRemover();

    /// Returns at once.
    void remove(Links links);
    /// Until all are removed.
    void wait();

private:
    void work();

    std::mutex mutex_;
    std::condition_variable news_, done_;
    std::deque<Links> queue_;
    std::size_t working_ = 0, idle_ = 0;
    bool end_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace memtrace
