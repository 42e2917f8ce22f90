/* SPDX-License-Identifier: MIT
 *
 * The memory of a store.
 */
#include "store.h"

#include <stdlib.h>

store *
store_new(void)
{
    store *ahead = calloc(1, sizeof(*ahead));
    if (ahead != NULL) {
        platform_mutex_init(&ahead->lock);
    }
    return ahead;
}

void
store_free(store *ahead)
{
    platform_mutex_destroy(&ahead->lock);
    free(ahead);
}
