// SPDX-License-Identifier: MIT
/* The version from meson.build. */
#include "zcmu.h"

const char *zcmu_version(void)
{
	return ZCMU_VERSION;
}
