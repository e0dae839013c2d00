/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_model.c - any bytes as operations on all objects, held against the model of
 * tests/model/, whose runs they are.
 *
 * tests/test_model.c makes up runs from seeds, and shrinks one that fails; with libFuzzer the runs are
 * those that reach more of the library.
 */
#include "config.h"

#include "tests/fuzz/fuzz.h"
#include "tests/model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model_result result;

	fuzz_leave_huge_pages();
	model_run(data, size, false, NULL, &result);
	if (!result.is_right) {
		/* The steps that led there. */
		model_run(data, size, false, stderr, &result);
		fprintf(stderr, "%s\n", result.message);
		abort();
	}
	return 0;
}
