/* SPDX-License-Identifier: MIT */
/*
 * numa/topology_xml.c - is a topology in XML whole, and does each of its objects say where it is?
 *
 * hwloc's reader takes both for granted. It runs beyond the end of a text that was cut, follows null
 * pointers where an object has not all of its four sets, and aborts at sets that are badly written.
 * All else that can be wrong it checks itself.
 *
 * Calls nothing but the C library.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "numa/topology_state.h"

/* The sets of an object, as bits. */
#define CPUSET		 1u
#define COMPLETE_CPUSET	 2u
#define NODESET		 4u
#define COMPLETE_NODESET 8u
#define ALL_SETS	 15u

static const char hex_digits[] = "0123456789abcdefABCDEF";

/* What is behind a word with which a text begins; NULL when it does not. */
static const char *skip_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	return strncmp(text, word, length) == 0 ? text + length : NULL;
}

/* Does the text end as one in XML must? */
static bool is_whole(const char *text, size_t length)
{
	static const char *const ends[] = {"</topology>", "</root>"};

	if (strlen(text) != length)
		return false;
	while (length > 0 && strchr(" \t\r\n", text[length - 1]))
		length--;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (length >= end && memcmp(text + length - end, ends[i], end) == 0)
			return true;
	}
	return false;
}

/* Is a value, which ends at a quotation mark, a set as hwloc writes it: 0xf...f,0x00000001,,0x2 ? */
static bool is_set(const char *value)
{
	const char *rest = skip_word(value, "0xf...f");

	if (rest && *rest == '"')
		return true;
	if (rest && *rest != ',')
		return false;
	value = rest ? rest + 1 : value;
	for (;;) {
		rest = skip_word(value, "0x");
		if (rest) {
			size_t digits = strspn(rest, hex_digits);

			if (digits == 0 || digits > 8)
				return false;
			value = rest + digits;
		}
		if (*value == '"')
			return rest != NULL;
		if (*value != ',')
			return false;
		value++;
	}
}

/* Does an object of this type lie beside the tree, without sets? The value ends at a mark. */
static bool is_special_type(const char *type)
{
	static const char *const types[] = {"Misc", "Bridge", "PCI", "OS"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strncasecmp(type, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

/* What has been seen of one object. */
struct object {
	bool is_special;
	bool is_group;
	unsigned sets;
};

/* Take one attribute. False when it is a set that is badly written. */
static bool take_attribute(struct object *object, const char *name, size_t length,
			   const char *value)
{
	static const struct {
		const char *name;
		unsigned bit;
	} sets[] = {
		{"cpuset", CPUSET},
		{"complete_cpuset", COMPLETE_CPUSET},
		{"nodeset", NODESET},
		{"complete_nodeset", COMPLETE_NODESET},
	};

	if (length == 4 && memcmp(name, "type", length) == 0) {
		object->is_special = is_special_type(value);
		object->is_group = skip_word(value, "Group") != NULL;
	}
	/* There are more, such as allowed_cpuset and online_cpuset, which may be missing. */
	if (length < 6 || (memcmp(name + length - 6, "cpuset", 6) != 0 &&
			   (length < 7 || memcmp(name + length - 7, "nodeset", 7) != 0)))
		return true;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (length == strlen(sets[i].name) && memcmp(name, sets[i].name, length) == 0)
			object->sets |= sets[i].bit;
	return is_set(value);
}

/*
 * Has it the sets that it must have? Version 1 could do without those of nodes, and, for groups, with
 * part of them; version 0 with any.
 */
static bool has_sets(const struct object *object, int version)
{
	if (object->is_special || version == 0 || (version == 1 && object->is_group))
		return true;
	if (version == 1 && !(object->sets & (NODESET | COMPLETE_NODESET)))
		return object->sets == (CPUSET | COMPLETE_CPUSET);
	return object->sets == ALL_SETS;
}

/* Check the attributes of one object, whose name was read. False when something is wrong. */
static bool check_object(const char *at, int version)
{
	struct object object = {false, false, 0};

	for (;;) {
		const char *name, *value, *end;

		at += strspn(at, " \t\r\n");
		if (*at == '>' || (at[0] == '/' && at[1] == '>'))
			break;
		/* hwloc overlooks all that is behind a name of other characters. */
		name = at;
		at += strspn(at, "abcdefghijklmnopqrstuvwxyz_");
		if (at == name || at[0] != '=' || at[1] != '"')
			return false;
		value = at + 2;
		end = value + strcspn(value, "\"<>");
		if (*end != '"' || !take_attribute(&object, name, (size_t)(at - name), value))
			return false;
		at = end + 1;
	}
	return has_sets(&object, version);
}

/* Which version is it? -1: its line is damaged. What is no topology at all is hwloc's to refuse. */
static int find_version(const char *text)
{
	const char *tag = strstr(text, "<topology"), *end;

	if (!tag)
		return 0;
	tag += strlen("<topology");
	if (*tag == '>')
		return 1;
	tag = skip_word(tag, " version=\"");
	if (!tag)
		return -1;
	end = tag + strspn(tag, "0123456789.");
	if (end == tag || !skip_word(end, "\">"))
		return -1;
	return tag[0] == '1' && tag[1] == '.' ? 1 : 2;
}

int hnuma_topology_check_xml(const char *text, size_t length)
{
	int line = 1, version;

	if (!is_whole(text, length))
		return -1;
	version = find_version(text);
	for (const char *at = text; *at; at++) {
		const char *object = *at == '<' ? skip_word(at, "<object") : NULL;

		line += *at == '\n';
		if (object && !check_object(object, version))
			return line;
		if (version < 0 && *at == '<' && skip_word(at, "<topology"))
			return line;
	}
	return 0;
}
