/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/replay.c - a fuzz target without a fuzzer: give it the files that are named, or its corpus.
 *
 *	fuzz_trace			all of tests/fuzz/corpus/trace
 *	fuzz_trace FILE|FOLDER...	these
 *
 * Exits with 0 when nothing was found; what is found ends the process.
 */
#include "config.h"

#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned nr_files;

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	FUZZ_EXPECT(file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0);
	rewind(file);
	/* Of exactly its size, so that a byte too many is noticed. */
	bytes = malloc(size > 0 ? (size_t)size : 1);
	FUZZ_EXPECT(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size);
	fclose(file);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(bytes, (size_t)size);
	free(bytes);
	nr_files++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay(const char *path)
{
	struct dirent **entries;
	struct stat status;
	int nr;

	if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode)) {
		replay_file(path);
		return;
	}
	nr = scandir(path, &entries, is_visible, alphasort);
	for (int i = 0; i < nr; i++) {
		char inside[4096];

		snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
		replay_file(inside);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir"), *name = strrchr(argv[0], '/');
	FILE *said = fdopen(dup(STDOUT_FILENO), "w");
	char corpus[4096];

	name = name ? name + 1 : argv[0];
	/* Libtool's wrapper runs lt-fuzz_trace. */
	name = strstr(name, "fuzz_") ? strstr(name, "fuzz_") : name;
	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", top ? top : ".",
		 strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name);
	if (argc < 2)
		replay(corpus);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	/* The count that test programs end with. No file at all is a failure. */
	fprintf(said, "%s: %u passed, %d failed\n", name, nr_files, nr_files == 0);
	fclose(said);
	return nr_files == 0;
}
