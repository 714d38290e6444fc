"""DisGraFS reads the files of a JuiceFS volume on a Ray cluster, tags them by content, and finds them in a graph.

The packages follow the flow of data: events -> index -> taggers -> graph -> api -> web. See README.md.
"""
