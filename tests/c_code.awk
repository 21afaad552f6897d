# SPDX-License-Identifier: MIT
# A line of C without its comments and strings, which name functions, too: strip($0), for each line
# of a file, in order. in_comment is its own; begin a file with 0. For tests/floors and tests/rooms.
function strip(line) {
	gsub(/"([^"\\]|\\.)*"/, "", line)
	kept = ""
	while (1) {
		if (in_comment) {
			if (!(i = index(line, "*/"))) return kept
			line = substr(line, i + 2); in_comment = 0
		}
		if (!(i = index(line, "/*"))) return kept line
		kept = kept substr(line, 1, i - 1); line = substr(line, i); in_comment = 1
	}
}
