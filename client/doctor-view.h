/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Findings as one page for people, and as JSON. */

#include <stdio.h>

#include "client/doctor.h"

/* How many show in full of one kind: the page stays one. */
#define DOCTOR_SHOWN_MAX 3u

/**
 * doctor_view_print() - the verdict, the findings, what is in order
 * @praise: of doctor_praise()
 * @width:  columns to wrap at; 0: none
 */
void doctor_view_print(FILE *stream, const DoctorFindings *l, const json_t *praise, size_t width,
                       bool has_color);

/* An array of {id, severity, what, why, do}. New reference. */
json_t *doctor_view_json(const DoctorFindings *l);

/* Is something wrong? Hints do not count. */
bool doctor_view_is_sick(const DoctorFindings *l);
