"""Inbound webhooks: an HTTP request is verified (`verification`), recorded and becomes an execution (`intake`).

Other packages use `pages`, and `large_bodies` before a body is read.
"""
