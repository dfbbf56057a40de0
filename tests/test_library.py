"""metalearn/ is a library that knows no domain."""

import ast
import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
FILES = sorted((REPO / "metalearn").glob("*.py"))
DOMAINS = re.compile(r"pose|sinusoid|classification|amplitude|one_hot|angle|omniglot", re.IGNORECASE)
NO_DOMAIN = re.compile(r"purpose|triangle", re.IGNORECASE)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_import_identifier_or_text_names_a_domain(path):
    for node in ast.walk(ast.parse(path.read_text())):
        words = [getattr(node, name, None) for name in ("id", "attr", "name", "arg", "module", "value")]
        for word in words:
            if isinstance(word, str):
                assert not DOMAINS.search(NO_DOMAIN.sub("", word)), f"line {getattr(node, 'lineno', '?')}: {word}"
