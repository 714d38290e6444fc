"""DisGraFS: files of a JuiceFS volume are read on a Ray cluster, tagged, and found in a graph by what is in them.

It is laid out as the data goes: events -> index -> taggers -> graph -> api -> web. See README.md.
"""
