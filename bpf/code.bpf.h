/* Code objects: what identifies one beyond its address, told to the reader at first sight and remembered until it is freed.
 * A program that compiles in a loop makes the same few code objects again and again at ever new addresses: one identity each. */
#ifndef MEMTRACE_CODE_BPF_H
#define MEMTRACE_CODE_BPF_H

#include "sites.bpf.h"

#define ALWAYS_VISIBLE (-0x7fffffff - 1)
#define LINETABLE_CHUNKS (MT_LINETABLE_BYTES / HASH_CHUNK)
_Static_assert(MT_NAME_BYTES <= HASH_CHUNK && MT_LINETABLE_BYTES % HASH_CHUNK == 0, "texts are hashed by the chunk");

static __always_inline __u64 read_word(__u64 address)
{
    __u64 word = 0;

    /* Failure leaves 0, which no live pointer is: callers treat both alike. */
    bpf_probe_read_user(&word, sizeof(word), (const void *)address);
    return word;
}

static __always_inline __u32 read_half(__u64 address)
{
    __u32 half = 0;

    bpf_probe_read_user(&half, sizeof(half), (const void *)address);
    return half;
}

static __always_inline __u32 code_cell_index(__u64 code)
{
    return (code >> 4 ^ code >> 18) & (CODE_CELLS - 1);
}

static __always_inline struct mt_code_cell *code_cell(__u64 code)
{
    return &code_cells[code_cell_index(code)];
}

/* Where a str object's text is, how long and how wide. */
static __always_inline struct mt_text text_of(const struct mt_python *py, __u64 string)
{
    __u32 state = read_half(string + py->unicode_state) >> (py->unicode_kind_shift & 31);
    bool compact = state & 1 << 3, ascii = state & 1 << 4;
    struct mt_text text = {
        .address = string + (compact && ascii ? py->unicode_ascii : py->unicode_compact),
        .kind = state & 7,
        .length = read_half(string + py->unicode_length),
    };

    if (!compact) /* an instance of a subclass of str */
        text.address = read_word(text.address);
    return text;
}

/* At most MT_NAME_BYTES of it. */
static __always_inline __u32 bytes_of(const struct mt_text *text)
{
    __u32 bytes = text->length > MT_NAME_BYTES ? MT_NAME_BYTES : text->length * text->kind;

    return bytes > MT_NAME_BYTES ? MT_NAME_BYTES : bytes;
}

/* Hashes up to HASH_CHUNK bytes of the target. */
__noinline __u64 hash_bytes(struct thread *t, __u64 address, __u32 bytes, __u64 hash)
{
    if (!t)
        return hash;
    if (bytes > HASH_CHUNK)
        bytes = HASH_CHUNK;
    t->chunk[bytes / 8 & (HASH_CHUNK / 8 - 1)] = 0; /* the last word counts whole */
    if (bpf_probe_read_user(t->chunk, bytes, (const void *)address)) {
        t->unreadable = 1;
        return hash;
    }
    for (__u32 i = 0; i < HASH_CHUNK / 8; i++) {
        if (i * 8 >= bytes)
            break;
        hash = hash_word(hash, t->chunk[i]);
    }
    return hash;
}

static __always_inline __u64 hash_string(struct thread *t, const struct mt_python *py, __u64 string, __u64 hash)
{
    struct mt_text text = text_of(py, string);

    return hash_bytes(t, text.address, bytes_of(&text), hash_word(hash, (__u64)text.kind << 32 | text.length));
}

/* What names and lines follow from: file, function, first line, line table. */
__noinline __u64 code_identity(struct thread *t, const struct mt_python *py, __u64 code)
{
    __u64 table, hash;
    __u32 length;

    if (!t || !py)
        return 0;
    table = read_word(code + py->code_linetable);
    length = read_half(table + py->bytes_length);
    hash = hash_word(0x8bb84b93962eacc9ULL, (__u64)length << 32 | read_half(code + py->code_first_line));
    hash = hash_string(t, py, read_word(code + py->code_filename), hash);
    hash = hash_string(t, py, read_word(code + py->code_name), hash);
    for (__u32 chunk = 0; chunk < LINETABLE_CHUNKS; chunk++) {
        __u32 at = chunk * HASH_CHUNK;

        if (at >= length)
            break;
        hash = hash_bytes(t, table + py->bytes_data + at, length - at, hash);
    }
    return hash & ~MT_CODE_TOLD;
}

static __always_inline void copy_name(struct mt_name *name, const struct mt_python *py, __u64 string)
{
    struct mt_text text = text_of(py, string);

    name->of = text;
    bpf_probe_read_user(name->text, bytes_of(&text), (const void *)text.address);
}

/* Sends the reader a copy of the code object; whether that was or had been done. */
__noinline int code_tell(const struct mt_python *py, __u64 code, __u64 identity, __u32 origin)
{
    __u64 table;
    struct mt_code_event *event;
    __u32 length;
    __u8 one = 1;

    if (!py)
        return false;
    if (bpf_map_lookup_elem(&mt_told, &identity))
        return true;
    event = bpf_ringbuf_reserve(&mt_events, sizeof(*event), 0);
    if (!event) {
        count_loss(MT_EVENTS_DROPPED);
        return false; /* tried again with the next stack it is in */
    }
    event->type = MT_EVENT_CODE;
    event->process = origin & 0xffff;
    event->interpreter = origin >> 16;
    event->identity = identity;
    event->first_line = read_half(code + py->code_first_line);
    event->reserved = 0;
    copy_name(&event->filename, py, read_word(code + py->code_filename));
    copy_name(&event->name, py, read_word(code + py->code_name));
    table = read_word(code + py->code_linetable);
    length = read_half(table + py->bytes_length);
    event->linetable = table + py->bytes_data;
    event->linetable_length = length;
    if (length > MT_LINETABLE_BYTES)
        length = MT_LINETABLE_BYTES;
    bpf_probe_read_user(event->linetable_data, length, (const void *)event->linetable);
    bpf_ringbuf_submit(event, 0);
    bpf_map_update_elem(&mt_told, &identity, &one, BPF_ANY); /* full: told again another time */
    return true;
}

/* Keeps what is known of a code object at hand, unless its place in the cache is just being written. */
static __always_inline void code_cache(__u64 code, __u64 key, const struct code_known *known)
{
    struct mt_code_cell *cell = code_cell(code);
    __u64 old = READ_ONCE(cell->key), bit = 1ULL << (code_cell_index(code) & 63);

    if (!(READ_ONCE(code_cells_used[code_cell_index(code) / 64]) & bit))
        __sync_fetch_and_or(&code_cells_used[code_cell_index(code) / 64], bit);
    if (old != key && old != 0)
        WRITE_ONCE(cell->contended, 1);
    if (old == MT_CODE_BUSY || __sync_val_compare_and_swap(&cell->key, old, MT_CODE_BUSY) != old) {
        WRITE_ONCE(cell->contended, 1);
        return;
    }
    WRITE_ONCE(cell->identity, known->identity);
    WRITE_ONCE(cell->first_visible, known->first_visible);
    store_barrier();
    WRITE_ONCE(cell->key, key);
}

/* What the map knows of a code object, or what it says of itself when it is new, or when what is known may be of its predecessor. */
__noinline int code_look_up(struct thread *t, const struct mt_python *py, __u64 code, __u32 origin)
{
    struct code_known known = {};
    const struct code_known *found;
    __u64 key;

    if (!t || !py)
        return 0;
    key = live_key(t->slot, code);
    found = py->frees_unseen ? NULL : bpf_map_lookup_elem(&mt_codes, &key);
    if (found) {
        t->code = *found;
        code_cache(code, key, &t->code);
        return 0;
    }
    known.first_visible = py->code_first_traceable == MT_NO_OFFSET ? ALWAYS_VISIBLE : 2 * (__s32)read_half(code + py->code_first_traceable);
    t->unreadable = 0;
    known.identity = code_identity(t, py, code);
    t->code = known;
    if (t->unreadable) { /* perhaps its memory is just not there: uprobe programs cannot wait for it */
        count_loss(MT_PYTHON_UNREADABLE);
        return 0;
    }
    if (!code_tell(py, code, known.identity, origin))
        return 0;
    known.identity |= MT_CODE_TOLD;
    t->code = known;
    if (!py->frees_unseen && bpf_map_update_elem(&mt_codes, &key, &known, BPF_NOEXIST) == 0)
        code_cache(code, key, &known);
    return 0;
}

/* Puts what is known of a code object that a frame runs into t->code. */
static __always_inline void code_find(struct thread *t, const struct mt_python *py, __u64 code, __u32 origin)
{
    struct mt_code_cell *cell = code_cell(code);
    __u64 key = live_key(t->slot, code);

    if (READ_ONCE(cell->key) == key && !py->frees_unseen) {
        t->code.identity = READ_ONCE(cell->identity);
        t->code.first_visible = READ_ONCE(cell->first_visible);
        if (READ_ONCE(cell->key) == key) /* or another thread has just put another one there */
            return;
    }
    code_look_up(t, py, code, origin);
}

/* A Python block is freed: if it was a code object, its address may soon be another one's. */
static __always_inline void code_maybe_freed(const struct mt_process *process, __u64 address)
{
    struct mt_code_cell *cell = code_cell(address);
    __u32 index = code_cell_index(address);
    __u64 found, key;

    if (!(READ_ONCE(code_cells_used[index / 64]) & 1ULL << (index & 63)))
        return;
    found = READ_ONCE(cell->key);
    if (found == 0 && !READ_ONCE(cell->contended))
        return;
    key = live_key(process->slot, address);
    if (found == key)
        __sync_val_compare_and_swap(&cell->key, key, 0);
    else if (!READ_ONCE(cell->contended))
        return;
    bpf_map_delete_elem(&mt_codes, &key);
}

#endif
