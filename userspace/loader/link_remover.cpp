#include "loader/link_remover.hpp"

namespace memtrace {
namespace {

// They wait for the same thing and so end together; more would not help.
constexpr std::size_t most_threads = 16;

}  // namespace

LinkRemover::~LinkRemover() {
    wait();
    {
        const std::lock_guard lock(mutex_);
        end_ = true;
    }
    news_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void LinkRemover::remove(Links links) {
    std::vector<Links> parts = std::move(links).split();
    const std::lock_guard lock(mutex_);
    for (Links& part : parts) queue_.push_back(std::move(part));
    while (idle_ < queue_.size() && threads_.size() < most_threads) {
        threads_.emplace_back([this] { work(); });
        ++idle_;
    }
    news_.notify_all();
}

void LinkRemover::wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return queue_.empty() && working_ == 0; });
}

void LinkRemover::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        news_.wait(lock, [this] { return end_ || !queue_.empty(); });
        if (queue_.empty()) return;
        Links links = std::move(queue_.front());
        queue_.pop_front();
        --idle_;
        ++working_;
        lock.unlock();
        links.clear();
        lock.lock();
        ++idle_;
        --working_;
        if (queue_.empty() && working_ == 0) done_.notify_all();
    }
}

}  // namespace memtrace
