/* SPDX-License-Identifier: MIT */
/*
 * tools/units.c - numbers as people write and read them. Calls libc only.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/units.h"

/* The power of 1024 that a suffix stands for, or -1. */
static int read_suffix(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *letter;
	char upper;

	if (*suffix == ' ')
		suffix++;
	if (*suffix == '\0' || strcasecmp(suffix, "B") == 0)
		return 0;
	upper = (char)(*suffix & ~0x20);
	letter = strchr(letters, upper);
	if (!letter || *letter == '\0')
		return -1;
	suffix++;
	if (*suffix != '\0' && strcasecmp(suffix, "B") != 0 && strcasecmp(suffix, "iB") != 0)
		return -1;
	return (int)(letter - letters) + 1;
}

int units_read_size(const char *text, uint64_t *size_bytes)
{
	size_t digits = strspn(text, "0123456789.");
	double number;
	char *end;
	int power;

	/* strtod() would also take signs, "inf", "nan", exponents and hexadecimal numbers. */
	if (digits == 0 || digits >= UNITS_TEXT)
		return -EINVAL;
	number = strtod(text, &end);
	if (end != text + digits)
		return -EINVAL;
	power = read_suffix(end);
	if (power < 0)
		return -EINVAL;
	number = ldexp(number, 10 * power);
	if (number < 1.0 || number >= ldexp(1.0, 62))
		return -ERANGE;
	*size_bytes = (uint64_t)number;
	return 0;
}

int units_read_count(const char *text, uint64_t least, uint64_t most, uint64_t *count)
{
	uint64_t value = 0;
	const char *at;

	if (*text == '\0')
		return -EINVAL;
	for (at = text; *at != '\0'; at++)
		if (*at < '0' || *at > '9')
			return -EINVAL;
	for (at = text; *at != '\0'; at++) {
		if (value > (most - (uint64_t)(*at - '0')) / 10 || (uint64_t)(*at - '0') > most)
			return -ERANGE;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (value < least)
		return -ERANGE;
	*count = value;
	return 0;
}

const char *units_size(char text[UNITS_TEXT], uint64_t size_bytes)
{
	static const char *const names[] = {"bytes", "KB", "MB", "GB", "TB", "PB", "EB"};
	double number = (double)size_bytes;
	unsigned power = 0;

	while (number >= 1024.0 && power < 6) {
		number /= 1024.0;
		power++;
	}
	/* One digit behind the point, and none where it would be a zero. */
	if (number >= 100.0 || fabs(number - round(number)) < 0.05)
		snprintf(text, UNITS_TEXT, "%.0f %s", number, names[power]);
	else
		snprintf(text, UNITS_TEXT, "%.1f %s", number, names[power]);
	return text;
}

const char *units_count(char text[UNITS_TEXT], uint64_t count)
{
	char plain[UNITS_TEXT];
	size_t length, i, out = 0;

	length = (size_t)snprintf(plain, sizeof(plain), "%" PRIu64, count);
	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = plain[i];
	}
	text[out] = '\0';
	return text;
}

const char *units_time(char text[UNITS_TEXT], double time_ns)
{
	static const char *const names[] = {"ns", "us", "ms", "s"};
	unsigned power = 0;

	while (time_ns >= 999.5 && power < 3) {
		time_ns /= 1000.0;
		power++;
	}
	snprintf(text, UNITS_TEXT, "%.*f %s",
		 power && time_ns < 99.95 ? (time_ns < 9.995 ? 2 : 1) : 0, time_ns, names[power]);
	return text;
}

const char *units_duration(char text[UNITS_TEXT], double seconds)
{
	uint64_t whole = (uint64_t)(seconds + 0.5);

	if (seconds < 9.95 && fabs(seconds - round(seconds)) >= 0.05)
		snprintf(text, UNITS_TEXT, "%.1f s", seconds);
	else if (whole < 60)
		snprintf(text, UNITS_TEXT, "%" PRIu64 " s", whole);
	else if (whole < 3600)
		snprintf(text, UNITS_TEXT, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
	else
		snprintf(text, UNITS_TEXT, "%" PRIu64 " h %" PRIu64 " min", whole / 3600,
			 whole / 60 % 60);
	return text;
}
