#include "support/tmux.hpp"

#include <unistd.h>

#include "support/catch.hpp"
#include "support/process.hpp"

namespace memtrace::test {
namespace {

bool contains_text(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

Tmux::Tmux(unsigned columns, unsigned rows, const Environment& environment) {
    if (access("/usr/bin/tmux", X_OK) != 0) skip("tmux is not installed");
    std::vector<std::string> arguments{"-f", "/dev/null", "new-session", "-d", "-x", std::to_string(columns), "-y", std::to_string(rows)};
    Environment all{{"LC_ALL", "C.UTF-8"}, {"PS1", "prompt> "}};
    all.insert(all.end(), environment.begin(), environment.end());
    arguments.insert(arguments.end(), {"env", "-u", "NO_COLOR", "-u", "TMUX"});
    for (const auto& [name, value] : all) arguments.push_back(name + "=" + value);
    arguments.insert(arguments.end(), {"bash", "--norc", "--noprofile"});
    tmux(arguments);
    tmux({"set", "-g", "status", "off"});
    tmux({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows)});
    wait_for("prompt>");
}

Tmux::~Tmux() {
    if (closed_) return;
    // No requirement here: the server may have ended with its only window.
    Child child({"/usr/bin/tmux", "-S", folder_.file("socket"), "kill-server"});
    child.wait();
}

std::string Tmux::tmux(std::vector<std::string> arguments) const {
    std::vector<std::string> command{"/usr/bin/tmux", "-u", "-S", folder_.file("socket")};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Child child(std::move(command));
    const Ending ending = child.wait();
    INFO(child.transcript());
    REQUIRE(ending == Ending{false, 0});
    return child.output();
}

void Tmux::run(const std::string& command) {
    tmux({"send-keys", "-l", command});
    tmux({"send-keys", "Enter"});
}

void Tmux::keys(const std::vector<std::string>& keys) {
    std::vector<std::string> arguments{"send-keys"};
    arguments.insert(arguments.end(), keys.begin(), keys.end());
    tmux(arguments);
}

void Tmux::type(const std::string& text) { tmux({"send-keys", "-l", text}); }

void Tmux::resize(unsigned columns, unsigned rows) { tmux({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows)}); }

std::string Tmux::screen(bool styles) const {
    std::vector<std::string> arguments{"capture-pane", "-p"};
    if (styles) arguments.push_back("-e");
    return tmux(arguments);
}

std::string Tmux::wait_for(const std::string& text) const {
    std::string shown;
    const bool found = eventually([&] { return contains_text(shown = screen(), text); });
    INFO("waited for \"" << text << "\" on\n" << shown);
    REQUIRE(found);
    return shown;
}

void Tmux::wait_without(const std::string& text) const {
    std::string shown;
    const bool gone = eventually([&] { return !contains_text(shown = screen(), text); });
    INFO("waited for \"" << text << "\" to go from\n" << shown);
    REQUIRE(gone);
}

void Tmux::close() {
    tmux({"kill-server"});
    closed_ = true;
}

}  // namespace memtrace::test
