// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The cheapest program there is: what a probe hit costs before anything is done with it. Used to calibrate and as the floor in bench/. */
#include "compat.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe")
int mt_empty(struct pt_regs *unused __attribute__((unused)))
{
    return 0;
}
