# SPDX-License-Identifier: MIT
# Prints the complaints of a kernel's log, but for those of reports that tests/of-others names.
#
#	dmesg | awk -v complaints=REGEX -v list=tests/of-others -f tests/complaints.awk
#
# A report begins with "cut here", or with a complaint, and ends with its call trace.

function read_list(	line) {
	while ((getline line < list) > 0) {
		if (line ~ /^#/ || line !~ / /)
			continue
		functions[++nr] = substr(line, 1, index(line, " ") - 1)
		texts[nr] = substr(line, index(line, " ") + 1)
	}
	if (!nr) {
		print "tests/complaints.awk: WARNING: " list " can't be read, or is empty"
		exit
	}
}

# Does the list have this complaint of the report for somebody else's?
function is_of_others(complaint,	i, j, n, names, all) {
	# Not with one of ours among the functions
	if (report ~ /\[target_core_user\]/)
		return 0
	for (i = 1; i <= nr; i++) {
		n = split(functions[i], names, ",")
		all = index(complaint, texts[i]) > 0
		for (j = 1; j <= n; j++)
			all = all && report ~ ("(^|[^A-Za-z0-9_])" names[j] "([^A-Za-z0-9_]|$)")
		if (all)
			return 1
	}
	return 0
}

function end_report(	i) {
	for (i = 1; i <= nr_said; i++)
		if (!is_of_others(said[i]))
			print said[i]
	report = ""
	nr_said = 0
	inside = 0
}

BEGIN { read_list() }

/------------\[ cut here \]------------/ {
	end_report()
	inside = 1
	next
}

{
	complains = $0 ~ complaints
	if (complains && !inside)
		inside = 1
	if (!inside)
		next
	report = report $0 "\n"
	if (complains)
		said[++nr_said] = $0
	if (/<\/TASK>|---\[ end trace/)
		end_report()
}

END { end_report() }
