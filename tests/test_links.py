"""The links of the documents lead to files that are there."""

import re
from pathlib import Path

import pytest

import kmeans_xp

ROOT = Path(kmeans_xp.__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    links = set(LINK.findall(document.read_text(encoding="utf-8")))
    assert links
    assert {link for link in links if not (document.parent / link).exists()} == set()
