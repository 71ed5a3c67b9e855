/* MEMTRACE_MARK("name"): a named moment of a C or C++ program. While memtrace-bpf traces it, what the process holds just then is kept
 * under that name; otherwise it is one instruction that does nothing. Needs no library and no other header.
 *
 *     #include <memtrace_mark.h>
 *     MEMTRACE_MARK("model loaded");
 *
 * The name is any string, of which 255 bytes count. A name that occurs again gets "-2", "-3" ...
 * It is a static probe as SystemTap's sys/sdt.h makes them (provider memtrace, name mark, one argument): gdb, perf, bpftrace and
 * others see it, too. On machines other than x86-64 it does nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMTRACE_MARK_H
#define MEMTRACE_MARK_H

#if defined(__x86_64__) && defined(__ELF__) && !defined(MEMTRACE_NO_MARKS)
#define MEMTRACE_MARK(name)                                                          \
    do {                                                                             \
        const char *memtrace_mark_name_ = (name);                                    \
        __asm__ volatile("990: nop\n"                                                \
                         ".pushsection .note.stapsdt,\"?\",\"note\"\n"               \
                         ".balign 4\n"                                               \
                         ".4byte 992f-991f, 994f-993f, 3\n"                          \
                         "991: .asciz \"stapsdt\"\n"                                 \
                         "992: .balign 4\n"                                          \
                         "993: .8byte 990b\n"                                        \
                         ".8byte _.stapsdt.base\n"                                   \
                         ".8byte 0\n"                                                \
                         ".asciz \"memtrace\"\n"                                     \
                         ".asciz \"mark\"\n"                                         \
                         ".asciz \"8@%%rdi\"\n"                                      \
                         "994: .balign 4\n"                                          \
                         ".popsection\n"                                             \
                         ".ifndef _.stapsdt.base\n"                                  \
                         ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
                         ".weak _.stapsdt.base\n"                                    \
                         ".hidden _.stapsdt.base\n"                                  \
                         "_.stapsdt.base: .space 1\n"                                \
                         ".size _.stapsdt.base, 1\n"                                 \
                         ".popsection\n"                                             \
                         ".endif\n"                                                  \
                         :                                                           \
                         : "D"(memtrace_mark_name_)                                  \
                         : "memory");                                                \
    } while (0)
#else
#define MEMTRACE_MARK(name) ((void)(name))
#endif

#endif
