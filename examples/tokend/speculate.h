/* SPDX-License-Identifier: MIT */
/*
 * speculate.h - tokens ahead of their turn.
 */
#ifndef TOKEND_SPECULATE_H
#define TOKEND_SPECULATE_H

#include "batch.h"

/*
 * Guess how requests go on, run the guesses through the model in one more pass of so many rows at
 * the most, and keep those that it would have made itself. The pass's memory lies above a mark in
 * the step's, to which it is rewound; the pages of wrong guesses are given up.
 */
void speculate(struct batch *batch, unsigned nr_rows);

/* batch.c's: a token was made. */
enum finish batch_give(struct batch *batch, struct request *request, unsigned token);

#endif
