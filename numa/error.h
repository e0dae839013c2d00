/* SPDX-License-Identifier: MIT */
/*
 * numa/error.h - the calling thread's last error in words.
 *
 * May be called from every floor; calls nothing but the C library. Never allocates: the sentence
 * lies in thread-local storage and is cut when it is too long.
 */
#ifndef HNUMA_NUMA_ERROR_H
#define HNUMA_NUMA_ERROR_H

/*
 * Note a sentence, without a newline at its end, for hnuma_errormsg().
 *
 * @error  a negative errno, returned as it is so that callers can write
 *         `return hnuma_error_set(-EINVAL, "...")`.
 */
int hnuma_error_set(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Put words before the sentence that is there: "arena of node 1: " + what the floor below said.
 * Returns error.
 */
int hnuma_error_prefix(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
