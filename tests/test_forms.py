"""What is asked of those who report: the forms are read as they were meant."""

from pathlib import Path

import pytest
import yaml

FORMS = sorted((Path(__file__).parents[1] / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FIELDS = {"label", "description", "placeholder", "value", "render"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_has_the_fields_that_are_known(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    for block in form["body"]:
        assert set(block) <= {"type", "id", "attributes", "validations"}
        assert "label" in block["attributes"] and set(block["attributes"]) <= FIELDS
