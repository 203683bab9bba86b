"""The page of a card.

write lays the page out; rows has the cards side by side and computes, once, what is shown of them; sections, state and
speed make figures and tables of that, charts draws, words says it in sentences. None of these calls back.
"""

__all__: list[str] = []
