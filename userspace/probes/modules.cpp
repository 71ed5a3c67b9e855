#include "probes/modules.hpp"

#include <algorithm>

namespace memtrace {

bool Module::contains(std::uint64_t address) const {
    return std::any_of(mappings.begin(), mappings.end(), [&](const Mapping& m) { return m.contains(address); });
}

namespace {

bool same_file(const Module& module, const Mapping& mapping) {
    return module.mappings[0].inode == mapping.inode && module.mappings[0].device == mapping.device;
}

Result<Module> open_module(int pid, const Mapping& mapping) {
    const std::string path = mapped_file_path(pid, mapping);
    Result<ElfImage> image = ElfImage::open(path, mapping.path);
    if (!image) return std::move(image).error();
    const std::optional<std::uint64_t> address = image->address_of(mapping.file_offset);
    if (!address) return Error{mapping.path + ": mapped where its program headers have no code"};
    return Module{mapping.path, path, mapping.start - *address, {mapping}, *std::move(image)};
}

}  // namespace

Result<void> refresh_modules(int pid, std::vector<Module>& modules, std::vector<std::string>& skipped) {
    Result<std::vector<Mapping>> maps = read_maps(pid);
    if (!maps) return std::move(maps).error();
    std::vector<Module> fresh;
    for (const Mapping& mapping : *maps) {
        if (!mapping.executable || mapping.inode == 0) continue;
        const auto is_it = [&](const Module& m) { return same_file(m, mapping); };
        if (const auto seen = std::find_if(fresh.begin(), fresh.end(), is_it); seen != fresh.end()) {
            if (seen->mappings[0].start != mapping.start) seen->mappings.push_back(mapping);
            continue;
        }
        const auto known = std::find_if(modules.begin(), modules.end(), is_it);
        if (known != modules.end() && known->mappings[0].start == mapping.start) {
            fresh.push_back(std::move(*known));
            fresh.back().mappings = {mapping};
            modules.erase(known);
            continue;
        }
        Result<Module> opened = open_module(pid, mapping);
        if (opened)
            fresh.push_back(*std::move(opened));
        else
            skipped.push_back(opened.error().what);
    }
    modules = std::move(fresh);
    return {};
}

const Module* find_module(const std::vector<Module>& modules, std::uint64_t address) {
    const auto found = std::find_if(modules.begin(), modules.end(), [&](const Module& m) { return m.contains(address); });
    return found == modules.end() ? nullptr : &*found;
}

}  // namespace memtrace
