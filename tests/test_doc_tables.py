"""The tables of what is read are those of the code."""

import importlib.util

import pytest

from tests.conftest import ROOT

PATH = ROOT / "docs" / "make_tables.py"
SPEC = importlib.util.spec_from_file_location("make_tables", PATH)
TABLES = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TABLES)


@pytest.mark.parametrize("name", TABLES.TABLES)
def test_a_document_says_what_the_code_reads(name):
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert text.count(TABLES.BEGIN) == text.count(TABLES.END) == 1
    made = TABLES.with_table(text, TABLES.TABLES[name]())
    assert made == text, "python docs/make_tables.py writes it anew"
