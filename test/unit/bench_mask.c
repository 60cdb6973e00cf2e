/*
 * bench_mask.c
 *		What masking one value costs, in nanoseconds.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mask/mask.h"

#define ROUNDS 2000000

/* Returns a monotonic time in nanoseconds. */
static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

int
main(void)
{
	static const struct
	{
		const char *spec;
		const char *texts[4];
	} runs[] = {
		{"phone", {"18012341999", "13912345678", "+86 15512345678", "1801234"}},
		{"name", {"段正淳", "欧阳锋", "王芳", "John Smith"}},
		{"id_card", {"320102199001011233", "32010219900101123X", "110105194912310021", "440524188001010014"}},
		{"bank_card", {"6225758888881496", "6222021234567891234", "371449635398431", "6225 7588 8888 1496"}},
		{"address", {"江苏省苏州市姑苏区观前街1号", "北京市朝阳区建国路88号", "上海市浦东新区世纪大道100号", "广州市天河区体育西路"}},
		{"email", {"duandazhi@126.com", "a@b.cn", "wang.fang@example.com", "li4@mail.example.org"}},
		{"partial(3,4)", {"18012341999", "段正淳段正淳段正淳", "abcdefgh", "0123456789012345"}},
		{"constant", {"18012341999", "段正淳", "abcdefgh", "0123456789012345"}},
	};

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
	{
		CimsMaskRule rule;
		const char *error;
		size_t lengths[4];
		size_t written = 0;
		double start;
		char out[256];

		if (!cims_mask_parse(runs[i].spec, strlen(runs[i].spec), &rule, &error))
			return 1;
		for (int t = 0; t < 4; t++)
			lengths[t] = strlen(runs[i].texts[t]);
		start = now();
		for (int round = 0; round < ROUNDS; round++)
			written += cims_mask_apply(&rule, runs[i].texts[round % 4], lengths[round % 4], out);
		printf("%-14s %6.1f ns a value (%zu bytes written)\n", runs[i].spec, (now() - start) / ROUNDS, written);
	}
	return 0;
}
