"""A product is built again when, and only when, something that it is made of changed."""

from __future__ import annotations

import os

import pytest
from labsoftware.cache import Cache, content_key, link
from labsoftware.product import Product, closure, keys


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "modules" / "thing"
    (made / "stub").mkdir(parents=True)
    (made / "go.mod").write_text("module thing\n")
    (made / "stub" / "stub.go").write_text("package stub\n")
    return made


def test_key_is_the_same_for_the_same_content(folder):
    assert content_key(["go 1.26.8"], [folder]) == content_key(["go 1.26.8"], [folder])


def test_key_ignores_time_stamps_and_bytecode(folder):
    before = content_key([], [folder])
    os.utime(folder / "go.mod", (1, 1))
    (folder / "x.pyc").write_bytes(b"1")
    assert content_key([], [folder]) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "go.mod").write_text("module other\n"),
        lambda folder: (folder / "stub" / "stub.go").write_text("package stub // changed\n"),
        lambda folder: (folder / "go.sum").write_text("new file\n"),
        lambda folder: (folder / "stub" / "stub.go").unlink(),
        lambda folder: (folder / "go.mod").rename(folder / "go.mod.old"),
        lambda folder: (folder / "go.mod").chmod(0o755),
    ],
)
def test_key_changes_with_any_input_file(folder, change):
    before = content_key([], [folder])
    change(folder)
    assert content_key([], [folder]) != before


def test_key_changes_with_the_recipe_and_does_not_run_values_together():
    assert content_key(["go 1.26.8"], []) != content_key(["go 1.26.9"], [])
    assert content_key(["ab", "c"], []) != content_key(["a", "bc"], [])


def test_key_does_not_depend_on_where_the_checkout_is(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "thing").mkdir(parents=True)
        (tmp_path / place / "thing" / "go.mod").write_text("module thing\n")
    assert content_key([], [tmp_path / "one" / "thing"]) == content_key([], [tmp_path / "two" / "thing"])


def product(name, needs=(), recipe=()):
    return Product(name=name, build=lambda work: None, needs=tuple(needs), recipe=tuple(recipe))


def test_a_change_reaches_all_that_depends_on_it_and_nothing_else():
    def table(go):
        return {
            p.name: p
            for p in (product("go", recipe=[go]), product("deb", ["go"]), product("apt", ["deb"]), product("other"))
        }

    old, new = keys(table("1.26.8")), keys(table("1.26.9"))
    assert {name for name in old if old[name] != new[name]} == {"go", "deb", "apt"}


def test_closure_holds_what_is_needed_and_no_more():
    products = {p.name: p for p in (product("go"), product("deb", ["go"]), product("apt", ["deb"]), product("other"))}
    assert set(closure(products, ["apt"])) == {"go", "deb", "apt"}


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"HOME": "/home/pi"}, "/home/pi/.cache/bramble.kube-lab"),
        ({"HOME": "/home/pi", "XDG_CACHE_HOME": "/var/cache/pi"}, "/var/cache/pi/bramble.kube-lab"),
        ({"HOME": "/home/pi", "XDG_CACHE_HOME": "/x", "BRAMBLE_LAB_CACHE": "/disk/lab"}, "/disk/lab"),
    ],
)
def test_cache_place(environment, root):
    assert str(Cache.from_environment(environment).root) == root


def test_link_is_relative_and_follows_a_new_target(tmp_path):
    for key in ("a", "b"):
        (tmp_path / "artifacts" / key).mkdir(parents=True)
        (tmp_path / "artifacts" / key / "etcd").write_text(key)
    for key in ("a", "b", "b"):
        link(tmp_path / "bin" / "etcd", tmp_path / "artifacts" / key / "etcd")
        assert (tmp_path / "bin" / "etcd").read_text() == key
    assert os.readlink(tmp_path / "bin" / "etcd") == "../artifacts/b/etcd"
    assert [p.name for p in (tmp_path / "bin").iterdir()] == ["etcd"]
