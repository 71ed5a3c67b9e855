#include "screen/model.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "format/text.hpp"
#include "model/part.hpp"
#include "totals.hpp"

namespace memtrace::cli::screen {
namespace {

// Only these have trends: the first ones of the order that is chosen.
constexpr std::size_t rows_with_trend = 1024;

SortBy sort_of(std::optional<Order> order) {
    switch (order.value_or(Order::size)) {
        case Order::count: return SortBy::count;
        case Order::diff: return SortBy::change;
        case Order::age: return SortBy::age;
        default: return SortBy::size;
    }
}

bool has_column(const ViewOptions& view, Column column) { return std::find(view.columns.begin(), view.columns.end(), column) != view.columns.end(); }

}  // namespace

Model::Model(Setup setup) : setup_(std::move(setup)) {
    state_.view = setup_.view;
    state_.sort = sort_of(setup_.view.order);
    state_.interval_s = setup_.interval_s;
    state_.base = setup_.compare_first ? Base::first : Base::previous;
    state_.wants_blocks = state_.sort == SortBy::age || has_column(setup_.view, Column::age);
    facts_.live = !setup_.saved;
    facts_.saved = setup_.saved;
    facts_.file_proposal = setup_.file_proposal;
    take(std::make_shared<Snapshot>());  // there is a table from the beginning
}

void Model::take(SnapshotPointer now, std::string note) { take(std::move(now), now_, std::move(note)); }

void Model::take(SnapshotPointer now, SnapshotPointer before, std::string note) {
    before_ = std::move(before);
    now_ = std::move(now);
    saved_ = std::move(note);
    if (before_ && before_->processes.empty()) before_.reset();
    if (!first_ || first_->processes.empty()) first_ = now_;
    if (!now_->processes.empty()) history_.add({now_->time, totals_of(*now_).traced_bytes});
    update_table();
    remember_rows();
    if (state_.page == Page::callers) update_callers();
}

void Model::remember_rows() {
    rows_.begin();
    for (std::size_t i = 0; i < std::min(table_->size(), rows_with_trend); ++i) rows_.add(table_->hash(i), table_->size_of(i));
}

Model::SnapshotPointer Model::base() const {
    switch (state_.base) {
        case Base::checkpoint: return checkpoint_;
        case Base::first: return first_ == now_ ? nullptr : first_;
        case Base::previous: return before_;
    }
    return nullptr;
}

Model::SnapshotPointer Model::scoped(const SnapshotPointer& snapshot) const {
    if (!snapshot || !state_.scope) return snapshot;
    std::vector<bool> keep;
    for (const Process& process : snapshot->processes)
        keep.push_back(process.pid == state_.scope->pid && process.start_time_ticks == state_.scope->start_time_ticks);
    return std::make_shared<Snapshot>(part_of(*snapshot, keep));
}

// Only when something it depends on has changed.
void Model::update_table() {
    TableQuery query{state_.view, state_.sort, state_.reversed, state_.filter};
    const SnapshotPointer base = this->base();
    if (!table_ || table_now_ != now_ || table_base_ != base || table_scope_ != state_.scope || !(table_->query() == query)) {
        table_now_ = now_;
        table_base_ = base;
        table_scope_ = state_.scope;
        const std::size_t from_top = state_.table.index - std::min(state_.table.top, state_.table.index);
        table_ = std::make_unique<Table>(scoped(now_), scoped(base), std::move(query));
        if (state_.table.follows && selected_) {
            if (const std::optional<std::size_t> index = table_->find(*selected_)) {
                // The eye rests on it: it stays where it is on the screen, and what is around it changes.
                state_.table.index = *index;
                state_.table.top = *index - std::min(*index, from_top);
            }
        }
    }
    settle(state_.table, table_->size(), facts_.page_lines);
    if (state_.page != Page::table) return;
    selected_.reset();
    if (state_.table.follows && table_->size() > 0) selected_ = table_->key(state_.table.index);
}

void Model::update_callers() {
    if (!opened_) return;
    callers_ = callers_of(table_->now(), state_.view, *opened_, callers_unicode_);
    settle(state_.callers, callers_->lines.size(), facts_.page_lines);
}

void Model::open_selected() {
    if (state_.table.index >= table_->size()) return;
    RowKey key = table_->key(state_.table.index);
    if (key.by == GroupBy::process && !state_.scope) {
        state_.scope_name = printable(format_place(table_->row(state_.table.index).now));
        state_.scope = std::move(key);
        state_.view.by = GroupBy::line;
        state_.table = {};
        return;
    }
    opened_ = std::move(key);
    state_.table.follows = true;
    selected_ = opened_;
    state_.page = Page::callers;
    state_.callers = {};
    update_callers();
}

std::string Model::selected_checkpoint() const {
    return state_.list.index < checkpoints_.size() ? checkpoints_[state_.list.index].name : std::string();
}

void Model::compare_with(SnapshotPointer checkpoint, std::string name) {
    checkpoint_ = std::move(checkpoint);
    state_.base = Base::checkpoint;
    state_.base_name = std::move(name);
    state_.sort = SortBy::change;
    state_.page = Page::table;
    state_.table = {};
    update_table();
}

void Model::show_checkpoints(std::vector<CheckpointLine> checkpoints) {
    checkpoints_ = std::move(checkpoints);
    state_.page = Page::checkpoints;
    state_.list = {};
    // The newest one is asked for most.
    if (!checkpoints_.empty()) state_.list.index = checkpoints_.size() - 1;
}

void Model::say(std::string message, bool is_failure) {
    state_.message = std::move(message);
    state_.is_failure = is_failure;
}

void Model::ask_to_replace(const std::string& path) {
    state_.prompt = Prompt::replace;
    state_.input = path;
}

void Model::end(std::string reason) {
    over_ = std::move(reason);
    facts_.live = false;
    state_.frozen = false;
}

Action Model::press(const Key& key) {
    // Several keys may come between two pictures.
    if (state_.page == Page::table) facts_.lines = table_->size();
    if (state_.page == Page::callers && callers_) facts_.lines = callers_->lines.size();
    if (state_.page == Page::checkpoints) facts_.lines = checkpoints_.size();
    Action action = cli::screen::press(state_, key, facts_);
    if (action.what == Action::What::open) {
        open_selected();
        action = {};
    }
    if (state_.base != Base::checkpoint) checkpoint_.reset();
    update_table();
    return action;
}

Canvas Model::draw(unsigned columns, unsigned rows, bool unicode) {
    if (state_.page == Page::callers && unicode != callers_unicode_) {
        callers_unicode_ = unicode;
        update_callers();
    }
    const Scene scene{state_,       *now_,       before_.get(), *table_, history_, rows_, callers_ ? &*callers_ : nullptr,
                      checkpoints_, setup_.view, setup_.source, over_,   saved_};
    Canvas canvas = cli::screen::draw(scene, columns, rows, unicode, facts_);
    // How much fits is known only now: after a change of size, the cursor may have to be brought back into view.
    Cursor& cursor = state_.cursor();
    const Cursor before = cursor;
    if (state_.page == Page::table || state_.page == Page::callers || state_.page == Page::checkpoints)
        settle(cursor, facts_.lines, facts_.page_lines);
    if (cursor != before) canvas = cli::screen::draw(scene, columns, rows, unicode, facts_);
    return canvas;
}

}  // namespace memtrace::cli::screen
