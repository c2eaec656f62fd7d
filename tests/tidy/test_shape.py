"""Style is a test: sizes, docstrings, words, and what must never be in a tracked file."""

from __future__ import annotations

import ast
import re
import statistics

import pytest

from tests.tidy.sources import ROOMS, functions, python_files, text_of, tracked

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_P90 = 40
FUNCTION_LINES_MEDIAN = 12
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "service", "misc"}
SYNONYMS = (
    "visitor_id",
    "affiliate",
    "slug",
    "tracking_id",
    "dead_letter_queue",
    "dlq",
    "backlog_queue",
)
"""The glossary has one word for each: cookie, partner, link, code, click id, dead letter."""

# in pieces, so that this file does not contain what it looks for
MACHINE = re.compile(
    r"py[p]i\.org|python[h]osted|registry\.np[m]js|(?:deb|security)\.debian\.org|(?<![\w.])/(?:wor[k]|roo[t]|hom[e]/\w+|tm[p]/lab)/"
)
GENERATED = re.compile(r"(^|/)(vendor|results)/|\.(mmdb|xz|png|svg|ico)$|min\.js$")


def test_files_are_short_enough_to_read() -> None:
    long = {
        name: count for name in python_files(*ROOMS) if (count := text_of(name).count("\n")) > FILE_LINES_MAX
    }
    assert long == {}


def test_functions_are_short_enough_to_read() -> None:
    every = list(functions(*ROOMS))
    assert [function for function in every if function.lines > FUNCTION_LINES_MAX] == []
    lengths = sorted(function.lines for function in every)
    assert statistics.quantiles(lengths, n=10)[-1] < FUNCTION_LINES_P90
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN


@pytest.mark.parametrize("folder", [*ROOMS, "tests"])
def test_every_module_opens_with_what_it_is(folder: str) -> None:
    silent = [
        name
        for name in python_files(folder)
        if not (ast.get_docstring(ast.parse(text_of(name))) or "").strip()
    ]
    assert silent == []


def test_a_package_file_holds_its_docstring_and_no_code() -> None:
    allowed = ast.Expr | ast.Assign  # a version number is no code
    for name in python_files(*ROOMS):
        if name.endswith("/__init__.py"):
            assert all(isinstance(node, allowed) for node in ast.parse(text_of(name)).body), name


def test_files_are_named_by_nouns_that_say_something() -> None:
    parts = {part.removesuffix(".py") for name in python_files(*ROOMS) for part in name.split("/")}
    assert parts & NAMELESS == set()


def test_one_thing_has_one_word() -> None:
    pattern = re.compile(r"\b(" + "|".join(SYNONYMS) + r")s?\b", re.IGNORECASE)
    found = {
        f"{name}: {match.group()}"
        for name in python_files(*ROOMS)
        for match in pattern.finditer(_names_in(name))
    }
    assert found == set()


def test_no_file_knows_a_machine_or_a_package_index() -> None:
    found = {
        f"{name}: {match.group()}"
        for name in tracked()
        if not GENERATED.search(name)
        for match in MACHINE.finditer(text_of(name))
    }
    assert found == set()


def test_no_commented_out_todo() -> None:
    pattern = re.compile(r"#.*\b(TO[D]O|FIX[M]E|XX[X])\b")
    assert [name for name in python_files(*ROOMS, "tests") if pattern.search(text_of(name))] == []


def _names_in(file: str) -> str:
    """The identifiers of a file, one a line: formats and texts of others may use their own words."""
    names = (
        getattr(node, field)
        for node in ast.walk(ast.parse(text_of(file)))
        for field in ("name", "id", "arg", "attr")
        if isinstance(getattr(node, field, None), str)
    )
    return "\n".join(names)
