/*
 * test_keyfile.c
 *		Finding a master key in the text of a key file.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crypto/crypto.h"

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_A_UPPER "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
#define BASE64_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define HEX_B "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"
#define BASE64_B "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA="

/* A text, the id that is looked for, and what is to be found: the status, and 'a', 'b' or 0 for the key. */
typedef struct KeyfileCase
{
	const char *name;
	const char *text;
	uint32_t id;
	CimsKeyfileStatus status;
	char key;
} KeyfileCase;

static const KeyfileCase cases[] = {
	{"a bare hex key answers id 1", HEX_A "\n", 1, CIMS_KEYFILE_OK, 'a'},
	{"a bare key answers any id", HEX_A, 4294967295u, CIMS_KEYFILE_OK, 'a'},
	{"a bare key answers id 0", HEX_A, 0, CIMS_KEYFILE_OK, 'a'},
	{"upper-case hex is read", HEX_A_UPPER "\n", 1, CIMS_KEYFILE_OK, 'a'},
	{"base64 is read", BASE64_A "\n", 1, CIMS_KEYFILE_OK, 'a'},
	{"base64 with + and / is read", BASE64_B, 1, CIMS_KEYFILE_OK, 'b'},
	{"blanks and a carriage return around it are allowed", " \t" HEX_A " \t\r\n\r\n  \n", 1, CIMS_KEYFILE_OK, 'a'},
	{"comments and blank lines are skipped", "# keys of 2024\n\n  # more\n" HEX_A "\n#" HEX_B "\n", 1, CIMS_KEYFILE_OK, 'a'},
	{"the numbered key is found", "1:" HEX_A "\n2:" BASE64_B "\n", 2, CIMS_KEYFILE_OK, 'b'},
	{"the first of two is found", "1:" HEX_A "\n2:" BASE64_B "\n", 1, CIMS_KEYFILE_OK, 'a'},
	{"the largest id is read", "4294967295:" HEX_B, 4294967295u, CIMS_KEYFILE_OK, 'b'},
	{"id 0 is a number as others are", "0:" HEX_B "\n1:" HEX_A, 0, CIMS_KEYFILE_OK, 'b'},
	{"an absent id is told", "1:" HEX_A "\n2:" BASE64_B "\n", 3, CIMS_KEYFILE_NO_SUCH_ID, 0},
	{"an empty text has no key", "", 1, CIMS_KEYFILE_NO_SUCH_ID, 0},
	{"comments alone have no key", "# nothing here\n\n", 1, CIMS_KEYFILE_NO_SUCH_ID, 0},
	{"an id given twice is malformed", "1:" HEX_A "\n1:" HEX_A "\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"another id given twice is malformed", "1:" HEX_A "\n2:" HEX_B "\n2:" HEX_A "\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"two bare keys are malformed", HEX_A "\n" HEX_A "\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a bare key after a numbered one is malformed", "1:" HEX_A "\n" HEX_B "\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a numbered key after a bare one is malformed", HEX_B "\n1:" HEX_A "\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a malformed line after the key is malformed", "1:" HEX_A "\nnonsense\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a malformed line before the key is malformed", "1;" HEX_B "\n2:" HEX_A "\n", 2, CIMS_KEYFILE_MALFORMED, 0},
	{"63 hex digits are malformed", "00010203040506070809a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"65 hex digits are malformed", HEX_A "0", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a letter that is no hex digit is malformed", "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"base64 of 31 bytes is malformed", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"base64 of 33 bytes is malformed", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"base64 without its padding is malformed", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"base64 with trailing bits is malformed", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"base64url is malformed", "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA=", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"blanks after the colon are malformed", "1: " HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"blanks before the colon are malformed", "1 :" HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"an empty id is malformed", ":" HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"an id with a leading zero is malformed", "01:" HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"an id with a sign is malformed", "+1:" HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"an id over 32 bits is malformed", "4294967296:" HEX_A, 0, CIMS_KEYFILE_MALFORMED, 0},
	{"an id over 64 bits is malformed", "18446744073709551617:" HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"an id without a key is malformed", "1:\n", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a comment behind a key is malformed", HEX_A " # mine", 1, CIMS_KEYFILE_MALFORMED, 0},
	{"a byte-order mark is malformed", "\xef\xbb\xbf" HEX_A, 1, CIMS_KEYFILE_MALFORMED, 0},
	{"an error message instead of a key is malformed", "permission denied\n", 1, CIMS_KEYFILE_MALFORMED, 0},
};

/* Tells whether key is the one named: 'a' counts up from 0, 'b' down from 255, 0 is wiped. */
static bool
is_key(const CimsSecret *key, char name)
{
	for (int i = 0; i < CIMS_KEY_LEN; i++)
	{
		int expected = name == 'a' ? i : name == 'b' ? 255 - i :
													   0;

		if (key->bytes[i] != expected)
			return false;
	}
	return true;
}

/* Looks a key up in memory of exactly the text's size, so that a sanitizer sees reads beyond it. */
static bool
finds(const char *text, size_t len, uint32_t id, CimsKeyfileStatus status, char name)
{
	char *copy = malloc(len + 1);
	CimsSecret key;
	bool passed;

	copy = realloc(copy, len > 0 ? len : 1);
	memcpy(copy, text, len);
	memset(&key, 0x55, sizeof(key));
	passed = cims_keyfile_find(copy, len, id, &key) == status && is_key(&key, name);
	free(copy);
	return passed;
}

/* If this failed, a key ring of many years would be refused, or a huge text would take its time. */
static void
test_many_ids(void)
{
	enum
	{
		LINE = 71
	};
	char *text = malloc(1025 * LINE + 1);

	for (int i = 0; i < 1025; i++)
		snprintf(text + i * LINE, LINE + 1, "%5d:%s\n", 10000 + i, i == 1023 ? HEX_B : HEX_A);
	check_that(finds(text, 1024 * LINE, 11023, CIMS_KEYFILE_OK, 'b'), "1,024 numbered keys are read");
	check_that(finds(text, 1025 * LINE, 11023, CIMS_KEYFILE_MALFORMED, 0), "one more is malformed");
	free(text);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_that(finds(cases[i].text, strlen(cases[i].text), cases[i].id, cases[i].status, cases[i].key), "%s", cases[i].name);
	check_that(finds(HEX_A "\0", 65, 1, CIMS_KEYFILE_MALFORMED, 0) && finds("\0", 1, 1, CIMS_KEYFILE_MALFORMED, 0), "a zero byte is malformed");
	test_many_ids();
	return check_done();
}
