import json
import math

import pytest

from NePhiCore.warning_codes import CODES, QualityWarning, codes_of, messages_of


def test_an_entry_is_code_and_message():
    entry = QualityWarning("folds", "it folds").as_dict()
    assert json.loads(json.dumps(entry)) == {"code": "folds", "message": "it folds"}


def test_a_code_that_nobody_knows_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match="'fold' is no code"):
        QualityWarning("fold", "it folds")


def test_messages_and_codes_in_their_order():
    entries = [
        QualityWarning(code, text).as_dict() for code, text in (("folds", "a"), ("swapped", "b"), ("folds", "c"))
    ]
    assert messages_of(entries) == ["a", "b", "c"]
    assert codes_of(entries) == ["folds", "swapped"]


@pytest.mark.parametrize("entries", [None, 3, "text", {"code": "a"}, [3, None, "x"], [{"code": 3, "message": "m"}]])
def test_what_is_no_list_of_warnings_holds_none(entries):
    assert messages_of(entries) == codes_of(entries) == []
    assert messages_of([entries, {"code": "folds", "message": "m"}, math.nan]) == ["m"]


def test_the_documents_explain_every_code(repository):
    text = (repository / "docs/reliability.md").read_text(encoding="utf-8")
    assert [code for code in CODES if f"| `{code}` |" not in text] == []
