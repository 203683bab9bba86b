"""The page of a card.

write lays the page out; lineup has the cards side by side; rows computes what is shown, once; sections, state and
speed make figures and tables of it, charts draws, words says it in sentences.
"""

__all__: list[str] = []
