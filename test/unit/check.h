/*
 * check.h
 *		What a unit test needs: numbered results in TAP, and an exit status.
 *
 * A program calls check_that for each behaviour and returns check_done() from main.
 */
#ifndef CIMS_TEST_CHECK_H
#define CIMS_TEST_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int check_count;
static int check_failures;

/* Prints one result, and returns it. */
__attribute__((format(printf, 2, 3))) static inline bool
check_that(bool passed, const char *format, ...)
{
	va_list args;

	check_count++;
	if (!passed)
		check_failures++;
	printf("%sok %d - ", passed ? "" : "not ", check_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return passed;
}

/* Prints a remark. */
__attribute__((format(printf, 1, 2))) static inline void
check_note(const char *format, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Prints the plan and returns the exit status: no result at all is a failure. */
static inline int
check_done(void)
{
	printf("1..%d\n", check_count);
	return check_failures > 0 || check_count == 0;
}

#endif
