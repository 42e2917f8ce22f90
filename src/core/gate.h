/* SPDX-License-Identifier: MIT
 *
 * A gate counts who is using a thing that anyone may close at any moment.
 *
 * A call passes through: it enters, does its work without blocking on anything but the thing's own
 * events, and leaves. A hold stays, for as long as somebody keeps memory of the thing. What either
 * owns of the gate is a number, GATE_CALL or so many times GATE_HOLD, and who has the number gives
 * it back, once. Once the gate is closed nobody enters, and exactly one caller is told that it was
 * the last to go: that one ends the thing. All of it is one atomic word, so nothing can be seen
 * half done.
 */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "platform/atomics.h"

#define GATE_CALL UINT64_C(1)
#define GATE_HOLD (UINT64_C(1) << 32)
#define GATE_CLOSED (UINT64_C(1) << 63)

/* The calls in a gate's word. */
#define GATE_CALLS (GATE_HOLD - 1)

typedef struct gate {
    atom_u64 state;
} gate;

static inline uint64_t
gate_state(gate *gate)
{
    return atom_u64_load(&gate->state);
}

static inline bool
gate_is_closed(gate *gate)
{
    return (gate_state(gate) & GATE_CLOSED) != 0;
}

/* The caller owns GATE_CALL then; or, once the gate is closed, nothing: false. */
static inline bool
gate_enter(gate *gate)
{
    uint64_t state = gate_state(gate);
    do {
        if ((state & GATE_CLOSED) != 0) {
            return false;
        }
    } while (!atom_u64_cas(&gate->state, &state, state + GATE_CALL));
    return true;
}

/* Makes the caller own more; only for who owns something of it. */
static inline void
gate_take(gate *gate, uint64_t owned)
{
    (void)atom_u64_add(&gate->state, owned);
}

/* Makes the caller own that instead of this. Returns the state after it: GATE_CLOSED alone if the
 * caller was the last user of a closed gate, and now owns nothing of it. */
static inline uint64_t
gate_exchange(gate *gate, uint64_t owned, uint64_t instead)
{
    uint64_t change = instead - owned;
    return atom_u64_add(&gate->state, change) + change;
}

/* Gives back what the caller owns. Returns what gate_exchange does. */
static inline uint64_t
gate_give_back(gate *gate, uint64_t owned)
{
    return gate_exchange(gate, owned, 0);
}

/* Closes the gate. Returns the state before: 0 if it was open and nobody is inside, so that the
 * caller ends the thing; with GATE_CLOSED if somebody else closed it before. */
static inline uint64_t
gate_close(gate *gate)
{
    uint64_t state = gate_state(gate);
    while ((state & GATE_CLOSED) == 0 && !atom_u64_cas(&gate->state, &state, state | GATE_CLOSED)) {
    }
    return state;
}

static inline uint64_t
gate_holds(gate *gate)
{
    return (gate_state(gate) & ~GATE_CLOSED) / GATE_HOLD;
}

/* Whether calls (not holds) are still inside. */
static inline bool
gate_has_calls(gate *gate)
{
    return (gate_state(gate) & GATE_CALLS) != 0;
}

#endif
