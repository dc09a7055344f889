"""A kustomization takes nothing from elsewhere that may be another thing tomorrow."""

from __future__ import annotations

import json

import pytest

from ansible_collections.bramble.kube.plugins.module_utils.manifests.kustomize import Folder, not_pinned, read_by

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/kubeflow/manifests//apps/x?ref=v1.10.0",
        "https://raw.githubusercontent.com/o/r/main/deploy.yaml",
        "github.com/kubeflow/manifests/apps/x",
        "github.com/kubeflow/manifests//apps/x?ref=main",
        "git@github.com:kubeflow/manifests.git",
        "ssh://git@example.org/x.git?ref=v1",
        "git::https://example.org/x",
        "gitlab.example.org/o/r.git//x?ref=v1",
        "http://example.org/all.yaml",
    ],
)
@pytest.mark.parametrize(
    "form", ["resources:\n  - {}\n", "resources:\n- '{}'\n", 'bases: ["../base", "{}"]\n', "patches:\n- path: {}\n"]
)
def test_what_may_change_is_named(address: str, form: str) -> None:
    files = {"manifests/x/kustomization.yaml": form.format(address).encode()}
    assert not_pinned(files) == [f"{address} in manifests/x/kustomization.yaml"]


def test_a_kustomization_of_the_users_own() -> None:
    own = {"resources": ["../manifests/base", "https://github.com/o/r//x?ref=main"], "namespace": "kubeflow"}
    files = {"bramble/kustomization.yaml": json.dumps(own, indent=1).encode()}
    assert not_pinned(files) == ["https://github.com/o/r//x?ref=main in bramble/kustomization.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        f"resources: [https://github.com/o/r//x?ref={COMMIT}]",
        f"resources:\n- https://raw.githubusercontent.com/o/r/{COMMIT}/deploy.yaml",
        f"resources:\n- github.com/o/r//x?ref={COMMIT}&timeout=90s",
        "resources:\n- ../base\n- crds\n- deployment.yaml",
        "# - https://github.com/o/r//x?ref=main",
        "resources:\n- crds # as https://github.com/o/r//x?ref=main",
        "images:\n- name: docker.io/kubeflow/katib\n  newName: ghcr.io/kubeflow/katib\n  newTag: v0.19.0",
        "configMapGenerator:\n- literals:\n  - url=https://example.org/x",
        "commonAnnotations: {home: https://example.org}",
    ],
)
def test_what_is_pinned_or_lies_beside_it(text: str) -> None:
    assert not_pinned({"manifests/x/kustomization.yaml": text.encode()}) == []


def test_a_file_that_only_looks_like_an_address() -> None:
    files = {"m/kustomization.yaml": b"resources: [cert-manager.io/x.git]", "m/cert-manager.io/x.git/a.yaml": b""}
    assert not_pinned(files) == []


def test_only_what_the_build_reads_has_to_be_pinned() -> None:
    loose = b"resources: [https://github.com/o/r//x?ref=main]\n"
    files = {
        "m/over/kustomization.yaml": b"resources:\n- ../base\ncomponents: [\n  '../parts/a'\n]\n",
        "m/base/kustomization.yml": b"resources: [a.yaml]\n",
        "m/base/a.yaml": b"kind: X\n",
        "m/parts/a/Kustomization": b"patches:\n- path: x.yaml\n",
        "m/example/kustomization.yaml": loose,
    }
    used = ["m/base/kustomization.yml", "m/over/kustomization.yaml", "m/parts/a/Kustomization"]
    assert sorted(read_by(Folder(files, {}, []), "m/over/")) == used
    assert not_pinned(files, used) == []
    for path in used:
        changed = {**files, path: files[path] + loose}
        found = not_pinned(changed, read_by(Folder(changed, {}, []), "m/over"))
        assert found == [f"https://github.com/o/r//x?ref=main in {path}"]


def test_with_links_everything_has_to_be_pinned() -> None:
    files = {"m/over/kustomization.yaml": b"resources: [../link/b]", "m/b/kustomization.yaml": b"- github.com/o/r//x"}
    assert not_pinned(files, read_by(Folder(files, {"m/link": "m"}, []), "m/over"))
