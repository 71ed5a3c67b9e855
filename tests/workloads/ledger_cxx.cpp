// C++: new, new[], containers and strings, given back in part. Containers ask from lines of the library's headers, so only the total is known.
#include <list>
#include <new>
#include <string>
#include <vector>

#include "ledger.h"

namespace {

struct Point {
    double x, y, z;
};

// Counts what reaches operator new through a container, which knows the sizes better than we do.
unsigned long live_blocks = 0;
unsigned long live_bytes = 0;

template <typename T>
struct Counting {
    using value_type = T;
    Counting() = default;
    template <typename U>
    Counting(const Counting<U>&) {}
    T* allocate(std::size_t count) {
        ++live_blocks;
        live_bytes += count * sizeof(T);
        return static_cast<T*>(::operator new(count * sizeof(T)));
    }
    void deallocate(T* at, std::size_t count) {
        --live_blocks;
        live_bytes -= count * sizeof(T);
        ::operator delete(at);
    }
    bool operator==(const Counting&) const { return true; }
    bool operator!=(const Counting&) const { return false; }
};

using Text = std::basic_string<char, std::char_traits<char>, Counting<char>>;

Point* points[1000];
char* buffers[500];

void use_operators() {
    for (auto& point : points) point = new Point{1, 2, 3};
    for (std::size_t i = 0; i < 500; ++i) buffers[i] = new char[100 + i];
    for (std::size_t i = 0; i < 1000; i += 2) delete points[i];
    for (std::size_t i = 0; i < 500; i += 5) delete[] buffers[i];
    live_blocks += 500 + 400;
    live_bytes += 500 * sizeof(Point);
    for (std::size_t i = 0; i < 500; ++i) live_bytes += i % 5 != 0 ? 100 + i : 0;
}

}  // namespace

int main() {
    ledger_ready();
    use_operators();
    std::vector<int, Counting<int>> numbers;
    for (int i = 0; i < 20000; ++i) numbers.push_back(i);
    numbers.shrink_to_fit();
    std::list<Point, Counting<Point>> chain(300);
    chain.resize(120);
    std::vector<Text, Counting<Text>> texts(200, Text(64, 'x'));
    texts.resize(150);
    char text[128];
    std::snprintf(text, sizeof text, "TOTAL %lu %lu\n", live_blocks, live_bytes);
    ledger_print(text);
    ledger_done(__FILE__);
}
