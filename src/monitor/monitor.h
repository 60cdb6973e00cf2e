/*
 * monitor.h
 *		What works by itself: a launcher that looks which databases have
 *		something to seal, and a short-lived worker in each of those.
 */
#ifndef CIMS_MONITOR_H
#define CIMS_MONITOR_H

#include "cims_compat.h"

extern void cims_monitor_init(void); /* from _PG_init, last */

#endif
