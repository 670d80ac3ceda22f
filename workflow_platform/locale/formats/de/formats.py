"""Numbers in templates are mostly for machines: coordinates, attributes, data. Those for people have a filter."""

DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = ""
