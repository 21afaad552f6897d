# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion for bash. The command itself knows its words: see tool/complete/complete.c.

_zcmu() {
	local line word words=() current
	# Not COMP_WORDS, which are cut at colons
	read -ra words <<< "${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || words+=("")
	# Of "sudo zcmu ..." what is behind it
	while [ ${#words[@]} -gt 0 ] && [ "${words[0]}" != "$1" ]; do words=("${words[@]:1}"); done
	[ ${#words[@]} -gt 1 ] || return 0
	current=${words[-1]}
	COMPREPLY=()
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		# Readline replaces what is behind the last colon.
		[[ $current != *:* || $COMP_WORDBREAKS != *:* ]] || word=${word#"${current%"${current##*:}"}"}
		[[ $word != *[/:.] ]] || compopt -o nospace
		COMPREPLY+=("$(printf %q "$word")")
	done < <("$1" --complete "${words[@]:1}" 2> /dev/null)
}
complete -F _zcmu zcmu
