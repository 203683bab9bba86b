"""The page of a card."""
