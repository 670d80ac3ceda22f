"""Django's PostgreSQL backend, whose calls end when the server no longer responds (decision 34).

Other packages use `server` and `prepared`; Django loads `base`.
"""
