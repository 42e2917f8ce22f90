/* SPDX-License-Identifier: MIT
 *
 * A gate counts who is using a thing that anyone may close at any moment.
 *
 * A call passes through: it enters, does its work without blocking on anything but the thing's own
 * events, and leaves. A hold stays, for as long as somebody keeps memory of the thing. Once the
 * gate is closed nobody enters, and exactly one caller is told that it was the last to go: that one
 * ends the thing. All of it is one atomic word, so nothing can be seen half done.
 */
#ifndef GATE_H
#define GATE_H

#include "platform/atomics.h"

#define GATE_CALL UINT64_C(1)
#define GATE_HOLD (UINT64_C(1) << 32)
#define GATE_CLOSED (UINT64_C(1) << 63)

typedef struct gate {
    atom_u64 state;
} gate;

typedef enum gate_closing {
    GATE_WAS_CLOSED, /* somebody else closed it before */
    GATE_IN_USE,     /* closed now; the last user ends the thing */
    GATE_UNUSED      /* closed now, and nobody is inside: the caller ends the thing */
} gate_closing;

static inline bool
gate_is_closed(gate *gate)
{
    return (atom_u64_load(&gate->state) & GATE_CLOSED) != 0;
}

/* False once the gate is closed. */
static inline bool
gate_enter(gate *gate)
{
    uint64_t state = atom_u64_load(&gate->state);
    do {
        if ((state & GATE_CLOSED) != 0) {
            return false;
        }
    } while (!atom_u64_cas(&gate->state, &state, state + GATE_CALL));
    return true;
}

/* True if this was the last user of a closed gate. */
static inline bool
gate_leave(gate *gate)
{
    return atom_u64_add(&gate->state, UINT64_C(0) - GATE_CALL) == (GATE_CLOSED | GATE_CALL);
}

/* Makes a call inside stay after its gate_leave; another gate_leave ends it. */
static inline void
gate_stay(gate *gate)
{
    (void)atom_u64_add(&gate->state, GATE_CALL);
}

/* Takes count holds; only between gate_enter and gate_leave. */
static inline void
gate_hold(gate *gate, uint64_t count)
{
    (void)atom_u64_add(&gate->state, count * GATE_HOLD);
}

/* Gives count holds back. True if these were the last users of a closed gate. */
static inline bool
gate_unhold(gate *gate, uint64_t count)
{
    return atom_u64_add(&gate->state, UINT64_C(0) - count * GATE_HOLD) ==
           (GATE_CLOSED | (count * GATE_HOLD));
}

static inline gate_closing
gate_close(gate *gate)
{
    uint64_t state = atom_u64_load(&gate->state);
    do {
        if ((state & GATE_CLOSED) != 0) {
            return GATE_WAS_CLOSED;
        }
    } while (!atom_u64_cas(&gate->state, &state, state | GATE_CLOSED));
    return state == 0 ? GATE_UNUSED : GATE_IN_USE;
}

static inline bool
gate_has_holds(gate *gate)
{
    return (atom_u64_load(&gate->state) & ~GATE_CLOSED) >= GATE_HOLD;
}

static inline uint64_t
gate_holds(gate *gate)
{
    return (atom_u64_load(&gate->state) & ~GATE_CLOSED) / GATE_HOLD;
}

/* Whether calls (not holds) are still inside. */
static inline bool
gate_has_calls(gate *gate)
{
    return (atom_u64_load(&gate->state) & (GATE_HOLD - 1)) != 0;
}

#endif
