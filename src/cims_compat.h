/*
 * cims_compat.h
 *		The only place that tests PG_VERSION_NUM: what differs between the
 *		supported servers, PostgreSQL 15 to 18, under one name.
 */
#ifndef CIMS_COMPAT_H
#define CIMS_COMPAT_H

/* VARDATA and its kin; before 16 they came with postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* commands/vacuum.h */
#if PG_VERSION_NUM >= 170000
#define cims_statistics_target(stats) ((stats)->attstattarget)
#else
#define cims_statistics_target(stats) ((stats)->attr->attstattarget)
#endif

#if PG_VERSION_NUM >= 180000
#define cims_vacuum_delay_point() vacuum_delay_point(true)
#else
#define cims_vacuum_delay_point() vacuum_delay_point()
#endif

#endif
