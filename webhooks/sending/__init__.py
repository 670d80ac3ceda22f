"""Claims, sends and records deliveries, lane by lane. A lane is the queue of one receiver.

Other packages use `outcomes.on_end`, `lanes` and `claimed_delivery.defaults`.
"""
