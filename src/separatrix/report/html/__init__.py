"""Documents, sections and words."""
