// The display without its terminal: states come in, keys come in, pictures come out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "screen/scene.hpp"

namespace memtrace::cli::screen {

struct Setup {
    ViewOptions view;
    double interval_s = 5;
    bool compare_first = false;
    bool saved = false;  ///< Files are shown, not a trace.
    ReadSource source;
    std::string file_proposal;
};

class Model {
public:
    using SnapshotPointer = std::shared_ptr<const Snapshot>;

    explicit Model(Setup setup);

    /// A new state of the trace. `note`: which file it is, of how many.
    void take(SnapshotPointer now, std::string note = {});
    /// Goes back to the state before it, so that a file can be shown again: what changes are since is `before`.
    void take(SnapshotPointer now, SnapshotPointer before, std::string note);
    /// CHANGE is since this checkpoint.
    void compare_with(SnapshotPointer checkpoint, std::string name);
    void show_checkpoints(std::vector<CheckpointLine> checkpoints);
    void say(std::string message, bool is_failure = false);
    /// Asks whether the file is to be replaced.
    void ask_to_replace(const std::string& path);
    /// The trace is over: why.
    void end(std::string reason);
    /// The name to propose for the next snapshot.
    void propose_file(std::string name) { facts_.file_proposal = std::move(name); }

    /// What is left for others to do.
    Action press(const Key& key);
    [[nodiscard]] Canvas draw(unsigned columns, unsigned rows, bool unicode);

    [[nodiscard]] const State& state() const { return state_; }
    [[nodiscard]] bool frozen() const { return state_.frozen; }
    [[nodiscard]] bool over() const { return !over_.empty(); }
    [[nodiscard]] bool needs_blocks() const { return state_.wants_blocks || state_.view.blocks.any(); }
    [[nodiscard]] const SnapshotPointer& now() const { return now_; }
    /// Of the selected line; empty: there is none.
    [[nodiscard]] std::string selected_checkpoint() const;

private:
    void open_selected();
    void update_table();
    void update_callers();
    void remember_rows();
    [[nodiscard]] SnapshotPointer scoped(const SnapshotPointer& snapshot) const;
    [[nodiscard]] SnapshotPointer base() const;

    Setup setup_;
    State state_;
    Facts facts_;
    SnapshotPointer now_, before_, first_, checkpoint_;
    std::unique_ptr<Table> table_;
    SnapshotPointer table_base_;  ///< The whole snapshots that table_ is of.
    SnapshotPointer table_now_;
    std::optional<RowKey> table_scope_;
    std::optional<RowKey> selected_;  ///< Which row the cursor follows.
    std::optional<RowKey> opened_;    ///< Whose callers are shown.
    std::optional<Callers> callers_;
    bool callers_unicode_ = true;
    std::vector<CheckpointLine> checkpoints_;
    History history_;
    RowHistory rows_;
    std::string over_, saved_;
};

}  // namespace memtrace::cli::screen
