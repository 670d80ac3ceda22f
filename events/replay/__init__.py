"""Replays: recorded history shown or sent again. Nothing runs, and no event is recorded.

`creation` numbers the events of a filter 1..n, `clock` says which of them are due, `watching` reads those for whoever
watches the stream `replay:<id>`, `control` pauses, seeks and changes the speed, `sending` posts them to an endpoint.
"""
