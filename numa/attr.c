/* SPDX-License-Identifier: MIT */
/*
 * numa/attr.c - the checks that every attribute struct goes through, and names for what is in them.
 *
 * Calls nothing but numa/error.
 */
#include "config.h"

#include <stdio.h>

#include <hugenuma.h>

#include "numa/error.h"
#include "numa/ground.h"

/* Name the flags of a set for a message: "HNUMA_RELAXED, HNUMA_INHERIT", or "none". */
static const char *name_flags(unsigned flags, char *text, size_t size)
{
	static const struct {
		unsigned flag;
		const char *name;
	} known[] = {
		{HNUMA_RELAXED, "HNUMA_RELAXED"},   {HNUMA_INHERIT, "HNUMA_INHERIT"},
		{HNUMA_NO_DUMP, "HNUMA_NO_DUMP"},   {HNUMA_SHARED, "HNUMA_SHARED"},
		{HNUMA_HARDENED, "HNUMA_HARDENED"},
	};
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && used < size; i++) {
		if (flags & known[i].flag)
			used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
						 known[i].name);
	}
	return *text ? text : "none";
}

int hnuma_attr_check(const char *what, size_t struct_size, size_t expected,
		     enum hnuma_backing least_backing, enum hnuma_policy policy, unsigned flags,
		     unsigned allowed_flags)
{
	char names[64];

	if (struct_size != expected)
		return hnuma_error_set(-EINVAL,
				       "%s: struct_size is %zu, this library knows %zu: begin with "
				       "the initialiser, and compile with this library's headers",
				       what, struct_size, expected);
	/* Negative values, too, which an enum may hold. */
	if ((int)least_backing < HNUMA_BACKING_BASE || (int)least_backing > HNUMA_BACKING_HUGETLB)
		return hnuma_error_set(-EINVAL,
				       "%s: least_backing is %d: use HNUMA_BACKING_BASE, "
				       "HNUMA_BACKING_THP or HNUMA_BACKING_HUGETLB",
				       what, (int)least_backing);
	if ((int)policy < HNUMA_POLICY_BIND || (int)policy > HNUMA_POLICY_INTERLEAVE)
		return hnuma_error_set(-EINVAL,
				       "%s: policy is %d: use HNUMA_POLICY_BIND, "
				       "HNUMA_POLICY_PREFERRED or HNUMA_POLICY_INTERLEAVE",
				       what, (int)policy);
	if (flags & ~allowed_flags)
		return hnuma_error_set(-EINVAL,
				       "%s: flags 0x%x, of which 0x%x cannot be used here: allowed "
				       "are %s",
				       what, flags, flags & ~allowed_flags,
				       name_flags(allowed_flags, names, sizeof(names)));
	return 0;
}

const char *hnuma_backing_name(enum hnuma_backing backing)
{
	switch (backing) {
	case HNUMA_BACKING_HUGETLB:
		return "hugetlb";
	case HNUMA_BACKING_THP:
		return "thp";
	case HNUMA_BACKING_BASE:
		return "base";
	}
	return "unknown";
}
