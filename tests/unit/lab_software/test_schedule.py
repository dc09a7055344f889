"""The order in which products are built, and what is left when one fails."""

from __future__ import annotations

import time

import pytest
from labsoftware.cache import Cache
from labsoftware.driver import Build, main, weights
from labsoftware.product import BuildError, Product, clock, keys


def make_products(order, fail=()):
    def build(work):
        order.append(work.product.name)
        for need in work.product.needs:
            assert (work.folders[need] / "file").exists()
        if work.product.name in fail:
            raise BuildError("compiler found an error")
        (work.out / "file").write_text(work.product.name)

    def product(name, needs=(), seconds=1, **more):
        return Product(name=name, build=build, needs=tuple(needs), seconds=seconds, **more)

    made = [
        product("quick", seconds=1),
        product("kubernetes", seconds=400, links={"bin/kubectl": "file"}),
        product("debs", ["kubernetes"], seconds=5),
        product("apt", ["debs", "quick"], seconds=2),
    ]
    return {p.name: p for p in made}


def build_of(tmp_path, products, jobs=1):
    cache = Cache(tmp_path)
    key = keys(products)
    return Build(cache, products, {name: cache.artifacts / name / key[name] for name in products}, jobs)


def test_longest_way_first():
    assert weights(make_products([])) == {"quick": 3, "kubernetes": 407, "debs": 7, "apt": 2}


def test_everything_once_and_after_what_it_needs(tmp_path):
    order = []
    build_of(tmp_path, make_products(order)).run()
    assert order == ["kubernetes", "debs", "quick", "apt"]
    assert (tmp_path / "bin" / "kubectl").read_text() == "kubernetes"
    assert build_of(tmp_path, make_products(order)).todo == {}


def test_a_failure_says_why_and_keeps_what_is_done(tmp_path, capsys):
    order = []
    with pytest.raises(BuildError, match="debs could not be built"):
        build_of(tmp_path, make_products(order, fail=("debs",))).run()
    assert "compiler found an error" in capsys.readouterr().out
    again = build_of(tmp_path, make_products(order))
    assert set(again.todo) == {"debs", "quick", "apt"}
    assert not list(tmp_path.glob("artifacts/debs/[0-9a-f]*")), "nothing half-made may look finished"


def test_a_failure_ends_what_runs_beside_it(tmp_path):
    def wait(work):
        work.run("sleep", "60")

    def fail(work):
        time.sleep(0.3)
        work.run("false")

    products = {p.name: p for p in (Product(name="long", build=wait), Product(name="broken", build=fail))}
    begin = time.monotonic()
    with pytest.raises(BuildError, match="broken could not be built"):
        build_of(tmp_path, products, jobs=2).run()
    assert time.monotonic() - begin < 30


def test_what_a_command_prints_is_returned_and_logged(tmp_path):
    def build(work):
        assert work.run("sh", "-c", "echo seen; echo complaint >&2") == "seen\n"

    build_of(tmp_path, {"one": Product(name="one", build=build)}).run()
    assert (tmp_path / "log" / "one.log").read_text() == "$ sh -c echo seen; echo complaint >&2\ncomplaint\nseen\n"


def test_clock():
    assert [clock(s) for s in (0, 59.9, 60, 187.2)] == ["0:00", "0:59", "1:00", "3:07"]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--kubernetes", "1.12.0"], "Kubernetes 1.12.0 is not among those that the lab can build"),
        (["--kubernetes", "1.37.2", "--jobs", "0"], "--jobs 0: at least 1"),
    ],
)
def test_a_wrong_option_is_one_sentence(argv, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BRAMBLE_LAB_CACHE", str(tmp_path))
    assert main(argv) == 1
    out = capsys.readouterr().out
    assert sentence in out
    assert len(out.splitlines()) == 1
