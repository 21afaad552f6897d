// SPDX-License-Identifier: MIT
/* The version that meson.build has. */
#include "zcmu.h"

const char *zcmu_version(void)
{
	return ZCMU_VERSION;
}
