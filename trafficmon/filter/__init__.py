# SPDX-License-Identifier: MIT
"""EXPR, the one filter language of top, tui, capture, the API and alerts.

    expression = conjunction { ("or" | "||") conjunction }
    conjunction = negation { ("and" | "&&") negation }
    negation = ("not" | "!") negation | "(" expression ")" | term
    term = [ "local" | "remote" ] ("host" | "net") ADDRESS[/PREFIX]
         | [ "local" | "remote" ] "port" (N | N-N | SERVICE)
         | "proto" (NAME | N) | "iface" GLOB | "dir" ("in" | "out") | "ip" | "ip6"
         | "user" (NAME | UID) | "uid" N | "pid" N | "comm" GLOB | "cgroup" GLOB

Keywords are the same in either case. A value may stand in " or ', where a backslash before a
quote or a backslash stands for that character alone. In a GLOB, * also matches "/". Rows with
a null value match no term, and so match its negation.

`parser.parse` reads text, `evaluate.matches` applies it to the numpy columns of a table,
`completion.complete` lists what may be typed next. Nothing is imported here, so that parsing an
expression does not cost the import of numpy.
"""
