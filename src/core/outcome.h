/* SPDX-License-Identifier: MIT
 *
 * What a step came to.
 */
#ifndef CORE_OUTCOME_H
#define CORE_OUTCOME_H

/* A failure's Win32 code is stored by the function that met it. */
typedef enum outcome {
    OUTCOME_DONE,
    OUTCOME_NOT_YET, /* nothing to read, no room to write: before the deadline or after it */
    OUTCOME_PARTLY,  /* of an attempt alone: some was written, and there is no room for the rest */
    OUTCOME_INTERRUPTED,
    OUTCOME_CLOSED,
    OUTCOME_FAILED,      /* the API's function */
    OUTCOME_WAIT_FAILED, /* the system's wait for what it gives */
    OUTCOME_NO_MEMORY
} outcome;

#endif
