"""Small rooms: a file, function or class that grows too large is split while that is easy."""

import pytest

from tests.rules.budgets import file_errors, shape_errors
from tests.rules.source_files import PRODUCT, python_files, sample, texts

CODE = (".py", ".lua", ".sh", ".js", ".css", ".html")


def test_every_file_of_code_stays_within_its_lines():
    errors = [error for path, text in texts() if path.endswith(CODE) for error in file_errors(path, text)]
    assert not errors, "\n".join(errors)


def test_functions_and_classes_of_the_product_stay_small_and_shallow():
    errors = [error for source in python_files(*PRODUCT, "deploy") for error in shape_errors(source)]
    assert not errors, "\n".join(errors)


def test_a_file_of_301_lines_fails():
    assert "allowed are 300" in file_errors("queues/long.py", "x = 1\n" * 301)[0]
    assert file_errors("queues/long.py", "x = 1\n" * 300) == []


DEEP = """
def deep(rows):
    for row in rows:
        if row:
            with open(row) as file:
                for line in file:
                    print(line)
"""
ELIF = """
def flat(x):
    if x == 1:
        return 1
    elif x == 2:
        return 2
    elif x == 3:
        return 3
    else:
        for i in x:
            if i:
                return i
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def long():\n" + "    x = 1\n" * 50, "function long has 51 lines"),
        ("class Long:\n" + "    x = 1\n" * 250, "class Long has 251 lines"),
        (DEEP, "function deep nests 4 deep"),
        ("def wide(a, b, c, d, e, f, g, *, h, i): ...", "function wide takes 9 parameters"),
    ],
)
def test_a_large_room_fails_with_a_sentence(text, sentence):
    assert sentence in shape_errors(sample("agent/large.py", text))[0]


def test_elif_is_not_deeper_than_if():
    assert shape_errors(sample("agent/flat.py", ELIF)) == []


def test_constructors_and_the_decorators_of_the_sdk_may_take_more():
    wide = "class A:\n    def __init__(self, a, b, c, d, e, f, g, h, i): ...\ndef flow(a, b, c, d, e, f, g, h, i): ..."
    assert shape_errors(sample("orchestrator/sdk/flows.py", wide)) == []
