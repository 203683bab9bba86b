"""The model card that goes with a model to Hugging Face's hub."""

from __future__ import annotations

import json
from string import Template

from separatrix.models.sequence import SequenceModel, parameter_count
from separatrix.models.sizing import measured_numbers
from separatrix.models.state import bits_per_number

CARD = Template("""---
library_name: transformers
tags:
- separatrix
---

# $name for $task

$summary

A model of the library separatrix: $parameters parameters, and a state of $numbers numbers ($bits bits) an example
after $length tokens, measured from the tensors that are handed over. $bound

```python
import separatrix.models.hub  # tells Transformers what it is
from transformers import $auto

model = $auto.from_pretrained("…")
```

## Configuration

```json
$configuration
```
""")


LONGEST = 1024
"""Tokens that the state is measured after, at most: a card costs little at any length."""


def model_card(model: SequenceModel, kind: str) -> str:
    """What a model is, what it hands over and what is proved of its task, as Markdown.

    kind: the class of Transformers it is saved as

    >>> from separatrix.models.model_card import model_card
    >>> model = sx.models.create("lstm", sx.tasks.create("parity", length=10), width=8)
    >>> [line for line in model_card(model, "SeparatrixModel").splitlines() if line.startswith("# ")]
    ['# lstm for parity']
    """
    task, config = model.task, model.config
    options = {name: value for name, value in dict(config).items() if name != "name"}
    length = min(task.length, LONGEST)
    numbers = measured_numbers(config.name, task, length, **options)
    needed = task.recurrent_bits()
    told = {"task": task.model_dump(mode="json"), "model": config.model_dump(mode="json")}
    return CARD.substitute(
        name=config.name,
        task=task.name,
        summary=type(task).summary,
        parameters=f"{parameter_count(model):,}",
        numbers=f"{numbers:,}",
        bits=f"{numbers * bits_per_number(next(model.parameters()).dtype):,}",
        length=f"{length:,}",
        bound="No lower bound on the state is known in closed form."
        if needed is None
        else f"Proved: an exact model that reads token by token needs {needed:,.6g} bits of state at least.",
        auto="AutoModelForCausalLM" if kind.endswith("ForCausalLM") else "AutoModel",
        configuration=json.dumps(told, indent=2),
    )
