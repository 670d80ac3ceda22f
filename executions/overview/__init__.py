"""An execution at a glance, however long it is: its timeline, what has flowed, and how long it usually takes.

Answers are bounded: they depend on the size of the graph, not on the number of node runs or events.
"""
