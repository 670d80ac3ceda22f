"""Replays: recorded events shown or sent again. No workflow runs, and no event is recorded.

`creation` numbers the events of a filter from 1 to n, `clock` says which of them are due, `watching` reads them for
watchers of the stream `replay:<id>`, `control` pauses, seeks and changes the speed, `sending` delivers them to an
endpoint or URL through the port `receivers`, which webhooks implements.
"""
