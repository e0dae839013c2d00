/* SPDX-License-Identifier: MIT */
/*
 * tests/test_shared.c - the shared library as a program meets it: public functions only.
 *
 * The one test program that links libhugenuma.so; the others link the objects that it is made of.
 */
#include "config.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <hugenuma.h>

#include "tests/check.h"

static void test_comes_from_the_shared_library(void)
{
	Dl_info info;

	CU_ASSERT_NOT_EQUAL_FATAL(dladdr((void *)(uintptr_t)hnuma_version, &info), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.dli_fname, "libhugenuma.so"));
}

static void test_version_is_that_of_the_headers(void)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%d.%d.%d", HNUMA_VERSION_MAJOR, HNUMA_VERSION_MINOR,
		 HNUMA_VERSION_PATCH);
	CU_ASSERT_STRING_EQUAL(hnuma_version(), expected);
	CU_ASSERT_STRING_EQUAL(hnuma_version(), PACKAGE_VERSION);
}

static void test_internals_are_hidden(void)
{
	CU_ASSERT_PTR_NOT_NULL(dlsym(RTLD_DEFAULT, "hnuma_manager_create"));
	CU_ASSERT_PTR_NULL(dlsym(RTLD_DEFAULT, "hnuma_error_set"));
	CU_ASSERT_PTR_NULL(dlsym(RTLD_DEFAULT, "hnuma_sys"));
}

static void test_symbols_have_a_version(void)
{
	CU_ASSERT_PTR_NOT_NULL(dlvsym(RTLD_DEFAULT, "hnuma_manager_create", "HUGENUMA_0.1"));
	CU_ASSERT_PTR_NULL(dlvsym(RTLD_DEFAULT, "hnuma_manager_create", "HUGENUMA_0.0"));
}

static void test_a_whole_life(void)
{
	struct hnuma_topology *topology;
	struct hnuma_manager *manager;
	struct hnuma_placement placement;
	struct hnuma_config config = HNUMA_CONFIG_INIT;
	void *block, *logits;

	config.least_backing = HNUMA_BACKING_BASE;
	CU_ASSERT_EQUAL_FATAL(hnuma_topology_create(&topology), 0);
	CU_ASSERT_EQUAL_FATAL(hnuma_manager_create(&manager, topology, &config), 0);
	logits = hnuma_arena_alloc(hnuma_manager_arena(manager, HNUMA_NODE_LOCAL), 32000, 4);
	block = hnuma_pool_acquire(hnuma_manager_pool(manager), HNUMA_CLASS_16K);
	CU_ASSERT_PTR_NOT_NULL_FATAL(logits);
	CU_ASSERT_PTR_NOT_NULL_FATAL(block);
	memset(logits, 1, 32000 * 4);
	memset(block, 2, hnuma_class_size(HNUMA_CLASS_16K));
	CU_ASSERT_EQUAL(hnuma_manager_verify(manager, &placement), 0);
	CU_ASSERT(placement.pages_total > 0);
	CU_ASSERT(placement.pages_elsewhere == 0 || !check_knows_nodes());
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), -EBUSY);
	CU_ASSERT_EQUAL(hnuma_pool_release(hnuma_manager_pool(manager), block), 0);
	CU_ASSERT_EQUAL(hnuma_manager_destroy(manager), 0);
	hnuma_topology_destroy(topology);
}

static CU_TestInfo tests[] = {
	{"comes from the shared library", test_comes_from_the_shared_library},
	{"its version is that of the headers", test_version_is_that_of_the_headers},
	{"internals are hidden", test_internals_are_hidden},
	{"symbols have a version", test_symbols_have_a_version},
	{"a whole life", test_a_whole_life},
	CU_TEST_INFO_NULL,
};

int main(void)
{
	return check_main("test_shared", tests);
}
