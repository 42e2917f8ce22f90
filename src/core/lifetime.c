/* SPDX-License-Identifier: MIT
 *
 * The life of what several threads share.
 */
#include "lifetime.h"

void
lifetime_begin(lifetime *life, const lifetime_rules *rules, uint32_t process)
{
    atom_u32_store(&life->references, 1);
    life->rules = rules;
    life->process = process;
}

void
lifetime_reference(lifetime *life)
{
    (void)atom_u32_add(&life->references, 1);
}

void
lifetime_unreference(lifetime *life)
{
    if (atom_u32_add(&life->references, UINT32_MAX) == 1) {
        life->rules->destroy(life);
    }
}

static void
finish(lifetime *life)
{
    life->rules->finish(life);
    atom_u32_store(&life->over, 1);
}

void
lifetime_left(lifetime *life, uint64_t state, uint64_t owned)
{
    if (!lifetime_is_ours(life)) {
        return; /* a child that was forked inside a call */
    }
    /* The last call out, however late it is: nobody waits for it for ever. */
    if ((owned & GATE_CALLS) != 0 && (state & GATE_CALLS) == 0) {
        life->rules->clear(life);
    }
    if (state == GATE_CLOSED) {
        finish(life);
    }
}

static bool
has_calls(void *life)
{
    return gate_has_calls(&((lifetime *)life)->gate);
}

static bool
is_not_over(void *life)
{
    return atom_u32_load(&((lifetime *)life)->over) == 0;
}

static bool
is_ending(void *life)
{
    return is_not_over(life) && gate_holds(&((lifetime *)life)->gate) == 0;
}

void
lifetime_close(lifetime *life)
{
    /* In this order what is being put on the thing is either seen by close or sees the closed gate.
     */
    uint64_t before = gate_close(&life->gate);
    if (!lifetime_is_ours(life)) {
        return;
    }
    life->rules->close(life);
    wait_while(has_calls, life, PATIENCE_NS);
    if (!has_calls(life)) {
        life->rules->clear(life);
    }
    if (before == 0) {
        finish(life);
    }
    wait_while(is_ending, life, PATIENCE_NS);
}

void
lifetime_wait_over(lifetime *life)
{
    wait_while(is_not_over, life, PATIENCE_NS);
}
