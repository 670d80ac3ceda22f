"""The parts of an HTTP request of a node: building it, redirects, reading the answer, and further pages."""
