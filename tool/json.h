/* SPDX-License-Identifier: MIT */
/* JSON for programs. If there is no memory for a value, it is NULL, and print_json() fails */
#ifndef ZCMU_TOOL_JSON_H
#define ZCMU_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

#define JSON_VERSION	1	/* of the format: raised when a key changes its meaning */

struct json_object *json_document(void);	/* an object, with the version */
struct json_object *json_members(void);
struct json_object *json_list(void);
struct json_object *json_uint64(uint64_t number);
struct json_object *json_int64(int64_t number);
struct json_object *json_double(double number);
struct json_object *json_boolean(bool value);
void json_add(struct json_object *object, const char *key, struct json_object *value);
void json_append(struct json_object *list, struct json_object *value);
struct json_object *json_text(const char *text);	/* of any bytes */
void print_json(struct json_object *object);	/* and frees it */
void print_json_line(struct json_object *object);	/* likewise, on one line, at once */

#endif /* ZCMU_TOOL_JSON_H */
