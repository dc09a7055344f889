"""Every link and picture in the documentation is there, on the site too, and docs/README.md names every page."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *DOCS.glob("*.md"),
    *ROOT.glob("roles/*/README.md"),
]
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PICTURE = re.compile(r"!\[([^]]*)\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchor(heading: str) -> str:
    """The anchor that a Git host makes of a heading: small letters, hyphens for spaces, no punctuation."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """All anchors of a page."""
    return {anchor(match) for match in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)}


def problems(page: Path) -> list[str]:
    """The links of a page that lead nowhere, those to other sites aside."""
    found = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _hash, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert problems(page) == []


def test_a_wrong_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Two words, `one` name\n[a](#two-words-one-name) [b](#gone) [c](gone.md) [d](https://x.example)\n![e](gone.png)\n"
    )
    assert problems(page) == ["#gone", "gone.md", "gone.png"]


def test_every_picture_is_shown_with_a_text_for_those_who_do_not_see_it() -> None:
    shown = {(page.parent / path).resolve(): text for page in PAGES for text, path in PICTURE.findall(prose(page))}
    assert sorted(shown) == sorted((DOCS / "pictures").iterdir())
    assert all(len(text.split()) > 4 for text in shown.values())


@pytest.mark.parametrize("name", sorted(picture.stem for picture in (DOCS / "pictures").iterdir()))
def test_every_picture_is_written_by_a_test(name: str) -> None:
    scripts = [path.read_text() for room in ("tests", "molecule") for path in (ROOT / room).rglob("*.mjs")]
    written = (f"/{name}.png", f'"{name}":')
    assert any(one in text for one in written for text in scripts if "BRAMBLE_PICTURES" in text)


def test_the_index_names_every_page() -> None:
    named = set(LINK.findall(prose(DOCS / "README.md")))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} - named == set()


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """The program that builds the site."""
    loader = importlib.machinery.SourceFileLoader("docs_tool", str(ROOT / "tools/docs"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("docs_tool", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("link", "on_the_site"),
    [
        ("push.md#wait", "push.md#wait"),
        ("#a-heading", "#a-heading"),
        ("https://kubernetes.io/docs", "https://kubernetes.io/docs"),
        ("pictures/loop-list.png", "pictures/loop-list.png"),
        ("README.md", "index.md"),
        (
            "../README.md#which-versions",
            "https://github.com/bramble-kube/bramble.kube/blob/main/README.md#which-versions",
        ),
        ("../roles/base", "https://github.com/bramble-kube/bramble.kube/blob/main/roles/base"),
    ],
)
def test_where_a_link_leads_on_the_site(site: ModuleType, link: str, on_the_site: str) -> None:
    assert site.site_link(link, DOCS / "push.md") == on_the_site


def test_blocks_of_code_are_on_the_site_as_they_are(site: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](#b)\n```console\n$ cat [x](../y)\n```\n[c](#d)\n")
    assert site.site_text(page) == page.read_text()


def test_every_page_is_in_the_sites_menu(site: ModuleType) -> None:
    menu = site.index_text(DOCS / "README.md").partition(":caption: Guides")[2].partition("```")[0].split()
    assert sorted(menu) == sorted({page.stem for page in DOCS.glob("*.md")} - {"README"})
