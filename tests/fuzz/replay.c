/* SPDX-License-Identifier: MIT
 * tests/fuzz/replay.c - feeds each named file to a fuzz target; without
 * libFuzzer, so that any compiler can do it. Folders are read one deep. Each
 * input lies in memory of exactly its size, so that a read past it is seen. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t n_inputs;

static void
feed(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	rewind(f);
	data = malloc((size_t)size);
	if ((data == NULL && size > 0) ||
	    fread(data, 1, (size_t)size, f) != (size_t)size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	fprintf(stderr, "%s\n", path); // the last one is the culprit
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
	n_inputs++;
}

static void
feed_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (dir == NULL) {
		feed(path);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		feed(name);
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		feed_all(argv[i]);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("%zu inputs\n", n_inputs);
	return n_inputs == 0;
}
