// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hands every beginning of a dump to lrugen: lrugen-prefixes FILE [STEP]
 *
 * To be linked with lrugen-fuzz.c.  The copy that it gets ends where the beginning ends, so that a
 * sanitizer sees whoever reads on.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *read_file(const char *name, size_t *size)
{
	FILE *f = fopen(name, "rb");
	uint8_t *buf;

	if (!f || fseek(f, 0, SEEK_END))
		return NULL;
	*size = ftell(f);
	rewind(f);
	buf = malloc(*size);
	if (buf && fread(buf, 1, *size, f) != *size)
		*size = 0;
	fclose(f);
	return buf;
}

int main(int argc, char **argv)
{
	size_t size = 0, len, step = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	uint8_t *data = argc > 1 ? read_file(argv[1], &size) : NULL;
	unsigned long runs = 0;

	if (!data || !size || !step)
		return 1;
	for (len = 0; len <= size; len += step) {
		uint8_t *copy = malloc(len ? len : 1);

		if (!copy)
			return 1;
		memcpy(copy, data, len);
		LLVMFuzzerTestOneInput(copy, len);
		free(copy);
		runs++;
	}
	free(data);
	printf("%lu beginnings\n", runs);
	return 0;
}
