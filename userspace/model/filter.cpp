// The rule by which filters join, and what each kind of filter looks at.
#include "model/filter.hpp"

namespace memtrace {
namespace {

/// A name is looked at once, however many frames have it.
std::vector<bool> matching_frames(const FileFilter& filter, const Snapshot& snapshot) {
    enum : char { unknown, no, yes };
    const NamePattern pattern{source_file(filter.pattern)};
    std::vector<char> names(snapshot.strings.size(), unknown);
    std::vector<bool> frames(snapshot.frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const Frame& frame = snapshot.frames[i];
        if (filter.line && *filter.line != frame.line) continue;
        char& known = names[static_cast<std::size_t>(frame.file)];
        if (known == unknown) known = pattern.matches(source_file(snapshot.text(frame.file))) ? yes : no;
        frames[i] = known == yes;
    }
    return frames;
}

}  // namespace

std::string_view source_file(std::string_view file) {
    if (file.ends_with(".pyc")) file.remove_suffix(1);
    return file;
}

SiteFilter::SiteFilter(const Snapshot& snapshot, const Filters& filters, Lines lines) : snapshot_(snapshot), filters_(filters), lines_(lines) {
    for (const FileFilter& filter : filters.files) frames_.push_back(matching_frames(filter, snapshot));
}

bool SiteFilter::matches(const DomainFilter& filter, const Site& site) const { return filter.domain == snapshot_.text(site.domain); }

bool SiteFilter::matches_file(std::size_t filter, const Site& site) const {
    const auto match = [&](FrameId frame) -> bool { return frames_[filter][static_cast<std::size_t>(frame)]; };
    const Stack stack(snapshot_, site, lines_);
    if (!filters_.files[filter].all_frames) return match(stack.newest());
    for (std::size_t i = 0; i < stack.size(); ++i)
        if (match(stack[i])) return true;
    return false;
}

bool SiteFilter::passes(const Site& site) const {
    bool any_inclusive = false, included = false;
    const auto rejects = [&](bool inclusive, bool match) {
        any_inclusive |= inclusive;
        included |= inclusive && match;
        return match && !inclusive;
    };
    for (const DomainFilter& filter : filters_.domains)
        if (rejects(filter.inclusive, matches(filter, site))) return false;
    for (std::size_t i = 0; i < filters_.files.size(); ++i)
        if (rejects(filters_.files[i].inclusive, matches_file(i, site))) return false;
    return included || !any_inclusive;
}

}  // namespace memtrace
