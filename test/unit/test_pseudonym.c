/*
 * test_pseudonym.c
 *		Pseudonyms: the same for the same value, another for another one, valid
 *		where the value was, of the same form.  If this fails, a copy's keys collide,
 *		its references miss, or it holds what it was to hide.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "mask/mask.h"

#define ROUNDS 3000

static CimsPseudonymKey key;

/* Returns the pseudonym of a text, in one of four buffers. */
static const char *
pseudonym(CimsPseudonymKind kind, const char *text)
{
	static char buffers[4][4096];
	static int next;
	char *out = buffers[next++ % 4];
	size_t written = 0;

	if (cims_pseudonym_apply(&key, kind, text, strlen(text), out, &written) != CIMS_CRYPTO_OK)
		return "failed";
	if (written > cims_pseudonym_bound(strlen(text)))
		return "too long";
	out[written] = '\0';
	return out;
}

/* Compares two strings for qsort. */
static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Counts how many of the pseudonyms of numbered values are valid and differ; each is made by a function of its number. */
static void
check_many(CimsPseudonymKind kind, const char *name, void (*make)(int i, char *text), bool (*valid)(const char *, size_t))
{
	static char seen[ROUNDS][64];
	char text[64];
	int wrong = 0;
	int unchanged = 0;
	int twice = 0;

	for (int i = 0; i < ROUNDS; i++)
	{
		make(i, text);
		snprintf(seen[i], sizeof(seen[i]), "%s", pseudonym(kind, text));
		wrong += !valid(seen[i], strlen(seen[i])) || strlen(seen[i]) != strlen(text);
		unchanged += strcmp(seen[i], text) == 0;
		wrong += strcmp(seen[i], pseudonym(kind, text)) != 0;
	}
	qsort(seen, ROUNDS, sizeof(seen[0]), compare);
	for (int i = 1; i < ROUNDS; i++)
		twice += strcmp(seen[i], seen[i - 1]) == 0;
	check_that(wrong == 0, "%s: every pseudonym is valid, and the same again (%d are not)", name, wrong);
	check_that(twice == 0, "%s: no two values have the same (%d have)", name, twice);
	check_that(unchanged <= 2, "%s: hardly one is what it was (%d are)", name, unchanged);
}

/* Makes mobile numbers. */
static void
make_phone(int i, char *text)
{
	sprintf(text, "138%08d", i);
}

/* Makes resident ids of one day. */
static void
make_id_card(int i, char *text)
{
	sprintf(text, "11010519491231%03d", i % 1000);
	sprintf(text, "%02d0105194912%02d%03d", i % 3 == 0 ? 11 : i % 3 == 1 ? 32 :
																		   82,
			1 + i / 1000 % 28, i % 1000);
	for (char c = '0'; c <= '9'; c++)
	{
		text[17] = c;
		text[18] = '\0';
		if (cims_valid_id_card(text, 18))
			return;
	}
	text[17] = 'X';
}

/* Makes card numbers. */
static void
make_bank_card(int i, char *text)
{
	for (int c = 0; c <= 9; c++)
	{
		sprintf(text, "622575%09d%d", i, c);
		if (cims_valid_bank_card(text, 16))
			return;
	}
}

/* Makes credit codes. */
static void
make_uscc(int i, char *text)
{
	static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";

	for (int c = 0; c < 31; c++)
	{
		sprintf(text, "91350100M%08d%c", i, alphabet[c]);
		if (cims_valid_uscc(text, 18))
			return;
	}
}

/* Makes numbers of four digits. */
static void
make_number(int i, char *text)
{
	sprintf(text, "%d", 1000 + i);
}

/* Tells whether a text is a number of four digits. */
static bool
valid_number(const char *text, size_t len)
{
	return len == 4 && text[0] >= '1' && strspn(text, "0123456789") == 4;
}

/* Makes words. */
static void
make_text(int i, char *text)
{
	sprintf(text, "Ab-%c%c%c 9", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676 % 26);
}

/* Tells whether a text has the form of those words. */
static bool
valid_text(const char *text, size_t len)
{
	return len == 8 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z' && text[2] == '-' && text[6] == ' ' &&
		   text[7] >= '0' && text[7] <= '9';
}

/* Tells whether all whole numbers of a span have pseudonyms of their own within it. */
static bool
permutes(int64_t low, int64_t high)
{
	size_t count = (size_t) (high - low + 1);
	char *seen = calloc(count, 1);
	bool good = seen != NULL;

	for (int64_t i = low; i <= high && good; i++)
	{
		int64_t other;

		good = cims_pseudonym_integer(&key, i, &other) == CIMS_CRYPTO_OK && other >= low && other <= high && !seen[other - low];
		if (good)
			seen[other - low] = 1;
	}
	free(seen);
	return good;
}

/* Checks whole numbers. */
static void
test_integers(void)
{
	static const int64_t edges[] = {32767, 32768, 99999, 2147483647, 2147483648, INT64_C(9999999999), INT64_MAX};
	static const int64_t highs[] = {32767, 99999, 99999, 2147483647, INT64_C(9999999999), INT64_C(9999999999), INT64_MAX};
	int64_t other;

	check_that(permutes(0, 9) && permutes(10, 99) && permutes(100, 999) && permutes(1000, 9999), "whole numbers of up to four digits are permuted among themselves");
	check_that(permutes(10000, 32767), "those of five digits that fit 16 bits, too");
	check_that(permutes(-9, -1) && permutes(-999, -100), "and negative ones, without 0");
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		check_that(cims_pseudonym_integer(&key, edges[i], &other) == CIMS_CRYPTO_OK && other <= highs[i] && other >= 0, "the edge %lld stays on its side", (long long) edges[i]);
	check_that(cims_pseudonym_integer(&key, INT64_MIN, &other) == CIMS_CRYPTO_BAD_INPUT, "the least number of all has none");
}

/* Checks single texts. */
static void
test_forms(void)
{
	static const unsigned char other_salt[] = "other";
	CimsPseudonymKey salted = {key.mac, {other_salt, 5}};
	char out[512];
	const char *once, *again;
	size_t written;

	once = pseudonym(CIMS_PSEUDONYM_PHONE, "13800000001");
	again = pseudonym(CIMS_PSEUDONYM_PHONE, "+86 138-0000-0001");
	check_that(strncmp(again, "+86 ", 4) == 0 && strncmp(again + 4, once, 3) == 0 && strncmp(again + 8, once + 3, 4) == 0 && strcmp(again + 13, once + 7) == 0,
			   "a mobile number has the same pseudonym however it is written");
	check_that(cims_pseudonym_apply(&salted, CIMS_PSEUDONYM_PHONE, "13800000001", 11, out, &written) == CIMS_CRYPTO_OK &&
				   memcmp(out, once, 11) != 0,
			   "another salt gives another one");
	once = pseudonym(CIMS_PSEUDONYM_PHONE, "12345");
	check_that(strlen(once) == 5 && strspn(once, "0123456789") == 5 && strcmp(once, "12345") != 0, "what is no mobile number is taken as text");
	once = pseudonym(CIMS_PSEUDONYM_NAME, "段正淳");
	check_that(strlen(once) == 9 && strcmp(once, pseudonym(CIMS_PSEUDONYM_NAME, "段正淳")) == 0 && strcmp(once, "段正淳") != 0, "a name has as many characters");
	once = pseudonym(CIMS_PSEUDONYM_NAME, "John Smith");
	check_that(strlen(once) == 10 && once[4] == ' ' && once[0] >= 'A' && once[0] <= 'Z' && once[1] >= 'a', "a Latin name keeps its form");
	once = pseudonym(CIMS_PSEUDONYM_ADDRESS, "江苏省苏州市姑苏区观前街1号");
	check_that(strncmp(once, "江苏省苏州市姑苏区", 27) == 0 && strstr(once, "观前街") == NULL && strstr(once, "号") != NULL, "an address keeps its division: %s", once);
	once = pseudonym(CIMS_PSEUDONYM_EMAIL, "someone@126.com");
	check_that(strlen(once) == 28 && strcmp(once + 16, "@example.com") == 0, "a mail box is at example.com: %s", once);
	once = pseudonym(CIMS_PSEUDONYM_DATE, "2000-02-29 08:00:00");
	check_that(strncmp(once, "2000-", 5) == 0 && strcmp(once + 10, " 08:00:00") == 0, "a date stays in its year");
	check_that(strcmp(pseudonym(CIMS_PSEUDONYM_TEXT, ""), "") == 0 && strcmp(pseudonym(CIMS_PSEUDONYM_TEXT, "-- !"), "-- !") == 0, "what holds no letter or digit stays");
	once = pseudonym(CIMS_PSEUDONYM_NUMBER, "-1234.50");
	check_that(strlen(once) == 8 && once[0] == '-' && once[1] >= '1' && once[5] == '.', "a number keeps sign and point: %s", once);
	check_that(cims_pseudonym_apply(&key, CIMS_PSEUDONYM_TEXT, "a\xff", 2, out, &written) == CIMS_CRYPTO_BAD_INPUT, "bytes that are no UTF-8 are refused");
}

/* Checks that all of a long text depends on all of it. */
static void
test_long_text(void)
{
	char text[2001];
	char one[4096];
	const char *two;
	int same = 0;

	memset(text, 'x', 2000);
	text[2000] = '\0';
	strcpy(one, pseudonym(CIMS_PSEUDONYM_TEXT, text));
	text[1999] = 'y';
	two = pseudonym(CIMS_PSEUDONYM_TEXT, text);
	for (int i = 0; i < 2000; i++)
		same += one[i] == two[i];
	check_that(strlen(one) == 2000 && same < 200, "another last letter changes all of a long text (%d of 2000 are the same)", same);
	check_that(strncmp(one, one + 1000, 100) != 0, "what repeats does not repeat there");
}

int
main(void)
{
	static const unsigned char secret[32] = "a key of 31 bytes and the last 0";
	CimsPseudonymKind kind;

	if (cims_crypto_init() != CIMS_CRYPTO_OK)
		return 1;
	key.mac = cims_mac_new(CIMS_HASH_SHA256, secret, sizeof(secret));
	check_that(cims_pseudonym_parse("id_card", 7, &kind) && kind == CIMS_PSEUDONYM_ID_CARD && cims_pseudonym_parse("number", 6, &kind) &&
				   kind == CIMS_PSEUDONYM_NUMBER && !cims_pseudonym_parse("numbers", 7, &kind) && !cims_pseudonym_parse("", 0, &kind),
			   "kinds by name");
	check_many(CIMS_PSEUDONYM_PHONE, "phone", make_phone, cims_valid_mobile);
	check_many(CIMS_PSEUDONYM_ID_CARD, "id_card", make_id_card, cims_valid_id_card);
	check_many(CIMS_PSEUDONYM_BANK_CARD, "bank_card", make_bank_card, cims_valid_bank_card);
	check_many(CIMS_PSEUDONYM_USCC, "uscc", make_uscc, cims_valid_uscc);
	check_many(CIMS_PSEUDONYM_NUMBER, "number", make_number, valid_number);
	check_many(CIMS_PSEUDONYM_TEXT, "text", make_text, valid_text);
	test_integers();
	test_forms();
	test_long_text();
	cims_mac_free(key.mac);
	return check_done();
}
