"""The node types, one file each, with their base class and the registry.

Other packages use `base` and `registry`; a new node type is a file here and a line in `registry`.
"""
