"""What bytes from other systems mean: media types, charsets and JSON lines. No Django, no I/O."""
