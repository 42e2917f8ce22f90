/* SPDX-License-Identifier: MIT
 *
 * The life of what several threads share and anyone may close at any moment: adapters and sessions.
 *
 * Such a thing is closed at once and ends when its last user has gone, exactly once (gate.h). Apart
 * from that its struct, whose first member is its lifetime, lives as long as there are references
 * to it; whoever calls a function here has one. In a forked child it is the parent's: there nobody
 * enters it, and it never ends.
 *
 * Everything here is called without the GIL, except where it says otherwise.
 */
#ifndef CORE_LIFETIME_H
#define CORE_LIFETIME_H

#include "gate.h"
#include "process.h"

typedef struct lifetime lifetime;

/* What a kind of thing does at the turns of its life. */
typedef struct lifetime_rules {
    /* The gate is closed: wakes and closes what is on the thing. At each close, also later ones. */
    void (*close)(lifetime *life);
    /* The gate is closed and no call is inside: gives back what calls have left there. May come
     * more than once, and from two threads at a time. */
    void (*clear)(lifetime *life);
    /* Nobody uses the thing any more: ends it. Once, after clear. */
    void (*finish)(lifetime *life);
    /* The last reference is gone. */
    void (*destroy)(lifetime *life);
} lifetime_rules;

struct lifetime {
    gate gate;
    atom_u32 references;
    atom_u32 over;    /* it has ended */
    uint32_t process; /* that it belongs to, by its number of forks */
    const lifetime_rules *rules;
};

/* Begins with one reference. process: as fork_count says. */
void lifetime_begin(lifetime *life, const lifetime_rules *rules, uint32_t process);

void lifetime_reference(lifetime *life);
void lifetime_unreference(lifetime *life);

/* False in a forked child. With or without the GIL. */
static inline bool
lifetime_is_ours(const lifetime *life)
{
    return life->process == fork_count();
}

/* Whether the thing can be used: it is not closed, and it is ours. With or without the GIL. */
static inline bool
lifetime_is_open(lifetime *life)
{
    return lifetime_is_ours(life) && !gate_is_closed(&life->gate);
}

/* What follows when something was given back to a gate that is closed. */
void lifetime_left(lifetime *life, uint64_t state, uint64_t owned);

/* The caller owns GATE_CALL then; or nothing, if the thing cannot be used: false. */
static inline bool
lifetime_enter(lifetime *life)
{
    return lifetime_is_ours(life) && gate_enter(&life->gate);
}

/* Gives back what the caller owns of the gate, and ends the thing if that was the last of a closed
 * one. */
static inline void
lifetime_give_back(lifetime *life, uint64_t owned)
{
    uint64_t state = gate_give_back(&life->gate, owned);
    if ((state & GATE_CLOSED) != 0) {
        lifetime_left(life, state, owned);
    }
}

/* Makes the caller own that instead of this, both more than nothing. */
static inline void
lifetime_exchange(lifetime *life, uint64_t owned, uint64_t instead)
{
    uint64_t state = gate_exchange(&life->gate, owned, instead);
    if ((state & GATE_CLOSED) != 0) {
        lifetime_left(life, state, owned);
    }
}

/* Closes the thing, and returns when it is over or held. Any number of times. */
void lifetime_close(lifetime *life);

/* Waits, not longer than PATIENCE_NS, for a thing that is closed to be over. */
void lifetime_wait_over(lifetime *life);

#endif
