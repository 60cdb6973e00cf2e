/*
 * json.h
 *		Writes JSON into a buffer, in ASCII, so that it reads the same in
 *		databases of every encoding.
 */
#ifndef CIMS_AUDIT_JSON_H
#define CIMS_AUDIT_JSON_H

#include "lib/stringinfo.h"

/* begin and end an object '{' or an array '['; key is NULL within an array and for the outermost one */
extern void cims_json_open(StringInfo json, const char *key, char bracket);
extern void cims_json_close(StringInfo json, char bracket);

/* one member of an object, or with key NULL one element of an array; a NULL text is left out */
extern void cims_json_text(StringInfo json, const char *key, const char *text);
extern void cims_json_bool(StringInfo json, const char *key, bool value);
extern void cims_json_int(StringInfo json, const char *key, int64 value);

#endif
