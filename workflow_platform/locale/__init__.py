"""The catalogues of the pages' texts, and the formats of the languages."""
