"""Django's PostgreSQL backend, with calls that end when the server no longer answers (decision 34)."""
