#include "util/invoker.hpp"

#include <grp.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace memtrace {
namespace {

template <typename Number>
std::optional<Number> number_in(const char* name) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    const std::string_view text = value;
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number == static_cast<Number>(-1)) return std::nullopt;
    return number;
}

}  // namespace

std::optional<Invoker> invoker() {
    const auto uid = number_in<uid_t>("SUDO_UID");
    const auto gid = number_in<gid_t>("SUDO_GID");
    if (geteuid() != 0 || !uid || !gid) return std::nullopt;
    return Invoker{*uid, *gid};
}

AsInvoker::AsInvoker() : user_(invoker()) {
    if (!user_) return;
    const int count = getgroups(0, nullptr);
    groups_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    failed_ = count < 0 || getgroups(count, groups_.data()) != count || setgroups(1, &user_->gid) != 0 || setegid(user_->gid) != 0 ||
              seteuid(user_->uid) != 0;
}

AsInvoker::~AsInvoker() {
    // To go on with half the rights would be worse than to end.
    if (user_ && (seteuid(0) != 0 || setegid(0) != 0 || setgroups(groups_.size(), groups_.data()) != 0)) std::abort();
}

}  // namespace memtrace
