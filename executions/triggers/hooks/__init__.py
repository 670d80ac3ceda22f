"""Inbound webhooks: a request is verified (`verification`), recorded and starts an execution (`intake`).

Other packages use `views`, `pages`, and `large_bodies` before a body is read.
"""
