"""The pages of webhooks. They only read; changes go through the API.

Other packages use none of it.
"""
