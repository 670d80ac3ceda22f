"""Replays: show or send recorded events again. No workflow runs, and no event is recorded.

`creation` numbers the events of a filter from 1 to n, `clock` determines which of them are due, `watching` reads them
for watchers of the stream `replay:<id>`, `control` pauses, seeks and changes the speed, and `sending` delivers them to
an endpoint or URL. Other packages use `receivers`, the port that `webhooks` implements, and the API uses the rest.
"""
