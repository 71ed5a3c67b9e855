// The operations of Python's pickle format that snapshots of tracemalloc use, in all of their protocols from 2 to 5 (CPython Lib/pickletools.py).
#pragma once

#include <cstdint>
#include <string_view>

namespace memtrace::pickle {

enum class Op : unsigned char {
    proto = 0x80,
    frame = 0x95,  ///< 8 bytes: the length of what follows, for readers that read ahead.
    stop = '.',
    mark = '(',
    none = 'N',
    int4 = 'J',
    uint1 = 'K',
    uint2 = 'M',
    long1 = 0x8a,  ///< 1 byte: how many bytes of two's complement follow.
    text1 = 0x8c,  ///< 1 byte (text4: 4): the length of the UTF-8, surrogates included, that follows.
    text4 = 'X',
    empty_tuple = ')',
    tuple1 = 0x85,
    tuple2 = 0x86,
    tuple3 = 0x87,
    tuple = 't',
    empty_list = ']',
    append = 'a',
    appends = 'e',
    empty_dict = '}',
    set_item = 's',
    set_items = 'u',
    duplicate = '2',  ///< No snapshot of Python's has it; those written here do.
    memoize = 0x94,
    put1 = 'q',
    put4 = 'r',
    get1 = 'h',
    get4 = 'j',
    global = 'c',  ///< Two lines: module, name.
    global_of_stack = 0x93,
    new_object = 0x81,
    build = 'b',
};

inline constexpr std::string_view kModule = "tracemalloc";
inline constexpr std::string_view kSnapshotClass = "Snapshot";
inline constexpr std::string_view kTracesClass = "_Traces";

}  // namespace memtrace::pickle
