#include "reader/process_names.hpp"

#include <algorithm>

namespace memtrace {
namespace {

// Addresses that are nowhere are looked for again, ever more rarely.
constexpr unsigned most_misses = 64;

std::vector<Mapping> code_of(int pid) {
    Result<std::vector<Mapping>> maps = read_maps(pid);
    if (!maps) return {};
    std::erase_if(*maps, [](const Mapping& mapping) { return !mapping.executable; });
    return *std::move(maps);
}

// A return address may be the first byte behind its mapping.
const Mapping* mapping_at(const std::vector<Mapping>& code, std::uint64_t return_address) {
    const std::uint64_t address = return_address - 1;
    const auto behind = std::upper_bound(code.begin(), code.end(), address,
                                         [](std::uint64_t at, const Mapping& mapping) { return at < mapping.end; });
    return behind != code.end() && behind->contains(address) ? &*behind : nullptr;
}

bool same_code(const Mapping& a, const Mapping& b) {
    return a.start == b.start && a.inode == b.inode && a.device == b.device && a.file_offset == b.file_offset;
}

}  // namespace

ProcessNames::ProcessNames(int pid, Debuginfod* servers) : pid_(pid), servers_(servers), own_(std::make_shared<Program>(pid, servers)) {
    (void)own_->symbolizer.refresh();  // an ended target is noticed by who waits for it; names are then looked up as far as possible
}

ProcessNames::ProcessNames(int pid, const ProcessNames& parent)
    : pid_(pid), servers_(parent.servers_), inherited_(parent.inherited_ ? parent.inherited_ : parent.own_), code_(code_of(pid)) {
    // Right after the fork the child's mappings are the parent's.
    if (parent.inherited_ || code_.empty()) return;
    const bool known = inherited_->code.size() == code_.size() && std::equal(code_.begin(), code_.end(), inherited_->code.begin(), same_code);
    inherited_->code = code_;
    if (!known) (void)inherited_->symbolizer.refresh();
}

NativeSymbolizer& ProcessNames::symbolizer_of(std::uint64_t return_address) {
    if (!inherited_) return own_->symbolizer;
    const Mapping* mapping = mapping_at(code_, return_address);
    if (!mapping && misses_ < most_misses) {
        ++misses_;
        if (std::vector<Mapping> now = code_of(pid_); !now.empty()) code_ = std::move(now);
        mapping = mapping_at(code_, return_address);
    }
    const Mapping* inherited = mapping_at(inherited_->code, return_address);
    if (!mapping || (inherited && same_code(*mapping, *inherited))) return inherited_->symbolizer;
    if (!own_) {
        own_ = std::make_shared<Program>(pid_, servers_);
        (void)own_->symbolizer.refresh();
    }
    return own_->symbolizer;
}

std::span<const NativeLocation> ProcessNames::resolve(std::uint64_t return_address) {
    return symbolizer_of(return_address).resolve_all(return_address);
}

void ProcessNames::prepare(std::span<const std::uint64_t> return_addresses) {
    std::vector<std::uint64_t> inherited, own;
    for (const std::uint64_t address : return_addresses)
        (inherited_ && &symbolizer_of(address) == &inherited_->symbolizer ? inherited : own).push_back(address);
    if (!inherited.empty()) inherited_->symbolizer.prepare(inherited);
    if (!own.empty() && own_) own_->symbolizer.prepare(own);
}

void ProcessNames::forget() {
    if (inherited_) inherited_->symbolizer.forget();
    if (own_) own_->symbolizer.forget();
}

void ProcessNames::code_changed() {
    // While the process lives: its files are held from now on.
    if (!own_) own_ = std::make_shared<Program>(pid_, servers_);
    (void)own_->symbolizer.refresh();
    if (std::vector<Mapping> now = inherited_ ? code_of(pid_) : std::vector<Mapping>(); !now.empty()) code_ = std::move(now);
    misses_ = 0;
}

void ProcessNames::release() {
    if (inherited_) inherited_->symbolizer.release();
    if (own_) own_->symbolizer.release();
}

}  // namespace memtrace
