"""Number formats: rounding to p bits, bit counts."""
