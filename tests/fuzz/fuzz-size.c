// SPDX-License-Identifier: MIT
/* Sizes as users write them (zcmu_parse_size()): a number that is right, or an error. */
#include "zcmu.h"

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t bytes = 0, again = 0;
	char text[64], *copy;
	int ret;

	copy = malloc(size + 1);
	memcpy(copy, data, size);
	copy[size] = '\0';
	ret = zcmu_parse_size(copy, &bytes);
	must(ret <= 0);
	if (!ret) {
		/* What was understood can be said in plain bytes. */
		snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
		must(!zcmu_parse_size(text, &again) && again == bytes);
	}
	free(copy);
	return 0;
}
