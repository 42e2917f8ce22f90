/* SPDX-License-Identifier: MIT
 *
 * Declares what the library exports beside control.h: the Wintun API and the IP Helper functions,
 * under their own names.
 */
#ifndef SIMULATOR_EXPORTS_H
#define SIMULATOR_EXPORTS_H

#include "control.h"
#include "ip_helper.h"
#include "wintun.h"

#define EXPORT_WINTUN(Result, Name, TYPE, Parameters)                                              \
    SIMULATOR_EXPORT WINTUN_##TYPE##_FUNC Wintun##Name;
WINTUN_FUNCTIONS(EXPORT_WINTUN)
#undef EXPORT_WINTUN

#define EXPORT_IP_HELPER(Result, Name, Parameters)                                                 \
    SIMULATOR_EXPORT ip_helper_##Name##_function Name;
IP_HELPER_FUNCTIONS(EXPORT_IP_HELPER)
#undef EXPORT_IP_HELPER

#endif
