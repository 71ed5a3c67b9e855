// `make verify`: loads every BPF program as it may be configured and shows what the verifier made of it, so that growth shows
// in review. The kernel accepts at most 1 000 000 instructions a program, counted along all paths.
//   verify LABEL=OBJECT.bpf.o...      exit status 1 if the kernel refuses one
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "memtrace.h"

namespace {

constexpr unsigned frame_limits[] = {1, 16, MT_MAX_FRAMES};
constexpr std::size_t log_bytes = 1U << 20;
constexpr int log_level = 4;  // statistics, and the reason of a refusal
constexpr int failure_lines = 12;

int keep_quiet(libbpf_print_level, const char*, va_list) { return 0; }

// Where a read-only variable stands in .rodata; nullptr when the object has no such variable.
std::uint32_t* read_only_variable(bpf_object* object, const char* name) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) if (std::strstr(bpf_map__name(map), ".rodata")) break;
    const btf* types = bpf_object__btf(object);
    const int section_id = map && types ? btf__find_by_name_kind(types, ".rodata", BTF_KIND_DATASEC) : -1;
    if (section_id < 0) return nullptr;
    std::size_t size = 0;
    // libbpf returns it const before 1.5, which its own skeletons cast away as well.
    auto* data = static_cast<char*>(const_cast<void*>(static_cast<const void*>(bpf_map__initial_value(map, &size))));
    const btf_type* section = btf__type_by_id(types, static_cast<std::uint32_t>(section_id));
    const btf_var_secinfo* variable = btf_var_secinfos(section);
    for (unsigned i = 0; data && i < btf_vlen(section); ++i, ++variable) {
        const btf_type* type = btf__type_by_id(types, variable->type);
        if (std::strcmp(btf__name_by_offset(types, type->name_off), name) == 0 && variable->offset + variable->size <= size)
            return reinterpret_cast<std::uint32_t*>(data + variable->offset);
    }
    return nullptr;
}

// The number after `word` in the verifier's closing statistics; 0 when it is not there.
unsigned long statistic(const std::string& log, const char* word) {
    const std::size_t at = log.rfind(word);
    return at == std::string::npos ? 0 : std::strtoul(log.c_str() + at + std::strlen(word), nullptr, 10);
}

void print_end(const std::string& log) {
    std::size_t at = log.size();
    for (int line = 0; line <= failure_lines && at != std::string::npos && at > 0; ++line) at = log.rfind('\n', at - 1);
    std::printf("%s\n", log.c_str() + (at == std::string::npos ? 0 : at));
}

struct Loaded {
    bpf_object* object = nullptr;
    std::vector<std::string> logs;
    ~Loaded() { bpf_object__close(object); }
};

// What not every kernel can: there is a second best.
bool is_optional(const bpf_program* program) { return std::strcmp(bpf_program__name(program), "mt_fork_copied") == 0; }

struct Configuration {
    unsigned frames = 1;
    bool follow = false;
    bool threads = false;
    bool told = false;
};

bool verify(const std::string& label, const std::string& path, const Configuration& configuration) {
    const auto [frames, follow, threads, told] = configuration;
    Loaded loaded;
    loaded.object = bpf_object__open_file(path.c_str(), nullptr);
    if (!loaded.object) {
        if (frames == frame_limits[0] && !follow && !threads && !told)
            std::printf("%-10s cannot open %s: %s\n", label.c_str(), path.c_str(), std::strerror(errno));
        return false;
    }
    std::uint32_t* limit = read_only_variable(loaded.object, "frame_limit");
    if (!limit && frames != frame_limits[0]) return true;
    if (limit) *limit = frames;
    std::uint32_t* follows = read_only_variable(loaded.object, "follows_forks");
    std::uint32_t* apart = read_only_variable(loaded.object, "threads_apart");
    std::uint32_t* tells = read_only_variable(loaded.object, "tells_calls");
    if ((follow && !follows) || (threads && !apart) || (told && !tells)) return true;
    if (follows) std::memset(follows, follow ? 1 : 0, 1);
    if (apart) std::memset(apart, threads ? 1 : 0, 1);
    if (tells) std::memset(tells, told ? 1 : 0, 1);
    bpf_program* program = nullptr;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, loaded.object) if (std::strcmp(bpf_map__name(map), "mt_stacks") == 0)
        bpf_map__set_value_size(map, (MT_STACK_WORDS(frames) + (threads ? MT_THREAD_WORDS : 0)) * sizeof(std::uint64_t));
    if (follow) {
        bpf_object__for_each_program(program, loaded.object) bpf_program__set_autoload(program, !is_optional(program));
    }
    bpf_object__for_each_program(program, loaded.object) loaded.logs.emplace_back(log_bytes, '\0');
    std::size_t at = 0;
    bpf_object__for_each_program(program, loaded.object) {
        const std::string name = bpf_program__name(program);
        if (name != "mt_fork_copied") bpf_program__set_autoload(program, true);  // also those that only --follow loads
        bpf_program__set_log_level(program, log_level);
        bpf_program__set_log_buf(program, loaded.logs[at].data(), log_bytes);
        ++at;
    }
    const int code = bpf_object__load(loaded.object);
    at = 0;
    bpf_object__for_each_program(program, loaded.object) {
        const std::string log = loaded.logs[at++].c_str();
        const std::string frame_text = std::string(follow ? "+forks " : "") + (threads ? "+threads " : "") + (told ? "+calls " : "") +
                                       (limit ? std::to_string(frames) : "-");
        if (!bpf_program__autoload(program)) continue;
        std::printf("%-10s %-22s %19s", label.c_str(), bpf_program__name(program), frame_text.c_str());
        bpf_prog_info info{};
        std::uint32_t info_bytes = sizeof info;
        if (code != 0 || bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &info_bytes) != 0) {
            std::printf("  %s\n", log.empty() ? "not tried" : "REFUSED or never loaded");
            if (!log.empty()) print_end(log);
            continue;
        }
        std::printf(" %9lu %8lu %8u %8u\n", statistic(log, "processed "), statistic(log, "total_states "), info.xlated_prog_len, info.jited_prog_len);
    }
    if (code != 0) std::printf("%-10s the kernel refused %s: %s\n", label.c_str(), path.c_str(), std::strerror(-code));
    return code == 0;
}

}  // namespace

int main(int argc, char** argv) {
    libbpf_set_print(keep_quiet);
    std::printf("%-10s %-22s %19s %9s %8s %8s %8s\n", "COMPILER", "PROGRAM", "FRAMES", "VERIFIED", "STATES", "XLATED", "JITED");
    bool all = argc > 1;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const std::size_t equals = argument.find('=');
        if (equals == std::string::npos) return std::fprintf(stderr, "usage: verify LABEL=OBJECT.bpf.o...\n"), 2;
        for (const bool follow : {false, true})
            for (const bool threads : {false, true})
                for (const unsigned frames : frame_limits)
                    all = verify(argument.substr(0, equals), argument.substr(equals + 1), {frames, follow, threads}) && all;
        for (const unsigned frames : frame_limits)
            all = verify(argument.substr(0, equals), argument.substr(equals + 1), {frames, true, true, true}) && all;
    }
    return all ? 0 : 1;
}
