/* SPDX-License-Identifier: MIT
 *
 * Times of platform_clock_ns, of which a negative one is none.
 */
#ifndef SIMULATOR_TIMES_H
#define SIMULATOR_TIMES_H

#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

static inline int64_t
times_earlier(int64_t one, int64_t other)
{
    if (one < 0 || other < 0) {
        return one < 0 ? other : one;
    }
    return one < other ? one : other;
}

#endif
