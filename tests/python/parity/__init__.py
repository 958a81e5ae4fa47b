"""Parity with torch: a table of operations, and the machinery that turns each row into comparisons.

`spec` says what an argument is, `cases` expands a row into calls, `run` performs a call in one library, `compare`
lists what differs, `rows` holds the table, `faults` spoils a library on purpose to prove that the rest notices.
"""
