/* SPDX-License-Identifier: MIT
 *
 * The type DeviceBase.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include "python.h"

extern PyType_Spec device_base_spec;

#endif
