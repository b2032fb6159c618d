/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names for the numbers of a CDAT that stand for something, shared by its two views. */

#include <stddef.h>
#include <stdint.h>

/* Name of one bit of the flags of a DSMAS; NULL if it has none. @bit: 0..7 */
const char *cdat_name_dsmas_flag(unsigned bit);

/* Of the low 4 bits of a DSLBIS' flags (the memory hierarchy of HMAT); NULL if not known. */
const char *cdat_name_hierarchy(uint8_t flags);

/* Fields of a DSMSCIS' attributes, which are those of HMAT's memory side cache (ACPI 6.4 5.2.27.5). */
unsigned cdat_cache_levels(uint32_t attributes);
unsigned cdat_cache_level(uint32_t attributes);
unsigned cdat_cache_line_bytes(uint32_t attributes);
const char *cdat_name_associativity(uint32_t attributes); /* NULL if not known */
const char *cdat_name_write_policy(uint32_t attributes);  /* NULL if not known */

/* EFI memory type and attribute of a DSEMTS; NULL if not known. */
const char *cdat_name_efi_type(uint8_t efi_type);
