/* SPDX-License-Identifier: MIT
 *
 * The type Adapter.
 */
#ifndef ADAPTER_H
#define ADAPTER_H

#include "python.h"

extern PyType_Spec adapter_spec;

#endif
