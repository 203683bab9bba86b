"""Models evaluated with every result rounded to a number format, and the formats a construction is right in."""
