"""Sending: what one worker process claims, sends and writes down, lane by lane. A lane is the way to one receiver."""
