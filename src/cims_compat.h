/*
 * cims_compat.h
 *		The only place that tests PG_VERSION_NUM: what differs between the
 *		supported servers, PostgreSQL 15 to 18, under one name.
 */
#ifndef CIMS_COMPAT_H
#define CIMS_COMPAT_H

#endif
