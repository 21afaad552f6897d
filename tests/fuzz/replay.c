// SPDX-License-Identifier: MIT
/*
 * Feeds files to a target as libFuzzer would, for compilers that don't have that: so
 * "make check" repeats what was ever found. Usage: replay-TARGET FILE...
 */
#include "input.h"

int main(int argc, char **argv)
{
	static uint8_t data[1 << 16];
	int i;

	for (i = 1; i < argc; i++) {
		FILE *from = fopen(argv[i], "rb");
		uint8_t *copy;
		size_t n;

		if (!from) {
			perror(argv[i]);
			return 1;
		}
		n = fread(data, 1, sizeof(data), from);
		fclose(from);
		/* Not a byte more than there is: the sanitizer sees a step beyond. */
		copy = malloc(n ? n : 1);
		memcpy(copy, data, n);
		/* If it crashes, this is the last line. */
		fprintf(stderr, "%s\n", argv[i]);
		LLVMFuzzerTestOneInput(copy, n);
		free(copy);
	}
	return 0;
}
