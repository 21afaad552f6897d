# SPDX-License-Identifier: MIT
# Completion for fish. The command itself knows its words: see tool/complete/complete.c.

function __zcmu_words
    set -l words (commandline -opc)
    $words[1] --complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c zcmu -f -a '(__zcmu_words)'
