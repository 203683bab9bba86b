"""The trusted base of certificates."""
