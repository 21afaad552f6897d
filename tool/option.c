// SPDX-License-Identifier: MIT
/* The command line: numbers, and errors in arguments. */
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"
#include "subcommand.h"

void usage_error(const char *subcommand, const char *format, ...)
{
	char message[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	fprintf(stderr, "zcmu %s: %s; zcmu %s --help shows how\n", subcommand, message, subcommand);
}

bool option_parse(const char *text, unsigned int min, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < min || n > max)
		return false;
	*ret = (unsigned int)n;
	return true;
}

static char **arguments;

void option_begin(char **argv)
{
	arguments = argv;
}

/* Report the error of getopt_long() with ":" for the argument it has looked at last. */
void option_wrong(const char *subcommand, int said)
{
	const char *text = arguments[optind - 1];

	if (said == ':')
		usage_error(subcommand, "%s needs a value behind it", text);
	else
		usage_error(subcommand, "there is no option \"%s\", or more than one that begins so",
			    text);
}

/* Parse getopt's optarg. Return: an exit status, or -1 to go on. */
int option_number(const char *subcommand, const char *option, const char *text, unsigned int min,
		  unsigned int max, unsigned int *ret)
{
	if (option_parse(text, min, max, ret))
		return -1;
	usage_error(subcommand, "%s is %u..%u, not \"%s\"", option, min, max, text);
	return EXIT_USAGE;
}
