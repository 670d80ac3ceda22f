"""Reading and making files of common formats. The functions run in sandbox processes, one module for each library, so
that a process loads only what its task needs; `tasks` calls them."""
