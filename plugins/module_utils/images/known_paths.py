# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Where programs are told of images outside of containers' ``image`` fields.

A controller that starts pods of its own reads the images for them from an argument, a variable or a ConfigMap. No rule
finds those, so they are listed here, one row each with the project it belongs to. A user's own rows have the same form
(option ``paths`` of the module).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.bramble.kube.plugins.module_utils.common.errors import BrambleError

FIELD, JSON, YAML, OBJECTS, PATTERN = "field", "json", "yaml", "objects", "pattern"
FORMATS = (FIELD, JSON, YAML, OBJECTS, PATTERN)


class InvalidPath(BrambleError, ValueError):
    """A user's row is wrong; the message is one sentence."""


@dataclass(frozen=True)
class KnownPath:
    """One place with images.

    :ivar kind: kind of the object.
    :ivar name: its name, with ``*`` for anything (kustomize adds hashes to names of ConfigMaps).
    :ivar path: keys from the object's root to the value; ``*`` is every key or item.
    :ivar format: what is at the path: ``field``, the image itself; ``json`` or ``yaml``, a text in which ``inner``
        leads on to the image; ``objects``, a text with Kubernetes objects; ``pattern``, a text in which the regular
        expressions of ``inner`` find images, each as its first group.
    :ivar inner: keys within the text, or regular expressions.
    """

    kind: str
    name: str
    path: tuple[str, ...]
    format: str = FIELD
    inner: tuple[str, ...] = ()


KNOWN_PATHS = (
    # Kubeflow Trainer: a TrainJob's own images beside its runtime's
    KnownPath("TrainJob", "*", ("spec", "trainer", "image")),
    KnownPath("TrainJob", "*", ("spec", "initializer", "*", "image")),
    # KServe: a predictor's server is named by framework; helpers are in one ConfigMap of JSON texts
    KnownPath("InferenceService", "*", ("spec", "*", "*", "image")),
    KnownPath("ClusterStorageContainer", "*", ("spec", "container", "image")),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "storageInitializer"), JSON, ("image",)),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "agent"), JSON, ("image",)),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "router"), JSON, ("image",)),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "logger"), JSON, ("image",)),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "batcher"), JSON, ("image",)),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "explainers"), JSON, ("*", "image")),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "localModel"), JSON, ("defaultJobImage",)),
    # KFServing, KServe's name until 2021: the same file with one table more
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "predictors"), JSON, ("*", "image")),
    KnownPath("ConfigMap", "inferenceservice-config*", ("data", "predictors"), JSON, ("*", "*", "image")),
    # Knative, below KServe's serverless mode
    KnownPath("ConfigMap", "config-deployment", ("data", "queue-sidecar-image")),
    KnownPath("ConfigMap", "config-deployment", ("data", "queueSidecarImage")),
    KnownPath("Image", "*", ("spec", "image")),
    # Katib: one YAML file since 0.16, JSON texts before
    KnownPath("ConfigMap", "katib-config*", ("data", "katib-config.yaml"), YAML, ("runtime", "*", "*", "image")),
    KnownPath("ConfigMap", "katib-config*", ("data", "suggestion"), JSON, ("*", "image")),
    KnownPath("ConfigMap", "katib-config*", ("data", "early-stopping"), JSON, ("*", "image")),
    KnownPath("ConfigMap", "katib-config*", ("data", "metrics-collector-sidecar"), JSON, ("*", "image")),
    KnownPath("ConfigMap", "trial-templates*", ("data", "*"), OBJECTS),
    # Kubeflow notebooks: what the form offers
    *(
        KnownPath("ConfigMap", "jupyter-web-app-config*", ("data", "spawner_ui_config.yaml"), YAML, inner)
        for group in ("image", "imageGroupOne", "imageGroupTwo")
        for inner in (("spawnerFormDefaults", group, "value"), ("spawnerFormDefaults", group, "options", "*"))
    ),
    # JupyterHub: Python text, with the form of kubeflow-core 0.1 in it
    KnownPath(
        "ConfigMap",
        "*jupyterhub*",
        ("data", "*"),
        PATTERN,
        (
            r"KubeSpawner\.(?:image|image_spec|singleuser_image_spec)\s*=\s*['\"]([^'\"\s]+)['\"]",
            r"<option\s+value=['\"]([^'\"\s]+)['\"]",
        ),
    ),
    # This collection's own hub
    KnownPath("ConfigMap", "hub", ("data", "settings.json"), JSON, ("notebook_image",)),
    # local-path-provisioner: the pod that makes and clears folders
    KnownPath("ConfigMap", "local-path-config*", ("data", "helperPod.yaml"), OBJECTS),
    # Kubeflow Pipelines: workflows that its database starts with
    KnownPath("ConfigMap", "workflow-controller-configmap*", ("data", "executor"), YAML, ("image",)),
    # Operators with an image field of their own
    KnownPath("SparkApplication", "*", ("spec", "image")),
    KnownPath("SparkApplication", "*", ("spec", "*", "image")),
    KnownPath("Prometheus", "*", ("spec", "image")),
    KnownPath("Alertmanager", "*", ("spec", "image")),
)

# Arguments of containers, as --name=image or --name image.
KNOWN_ARGUMENTS = frozenset(
    {
        "--acme-http01-solver-image",  # cert-manager
        "--executor-image",  # Argo's workflow-controller
        "--helper-image",  # local-path-provisioner
        "--mpi-kubectl-delivery-image",  # training-operator
        "--prometheus-config-reloader",  # prometheus-operator
        "--pytorch-init-container-image",  # training-operator
    }
)

# Environment variables of containers.
KNOWN_VARIABLES = re.compile(
    r"(?:V2_(?:LAUNCHER|DRIVER)_IMAGE"  # Pipelines' API server
    r"|CACHE_IMAGE"  # Pipelines' cache server
    r"|VIEWER_TENSORBOARD_TF_IMAGE_NAME|FRONTEND_SERVER_NAMESPACE_IMAGE"  # Pipelines' pages
    r"|RELATED_IMAGE_[A-Z0-9_]+)\Z"  # a convention of many operators
)


def from_row(row: Mapping[str, object]) -> KnownPath:
    """A user's row (``kind``, ``name``, ``path``, ``format``, ``inner``) as a :class:`KnownPath`.

    :raises InvalidPath: one sentence on what is wrong.
    """
    kind, path = row.get("kind"), row.get("path")
    if not kind or not isinstance(path, (list, tuple)) or not path:
        raise InvalidPath(f"a row of paths needs a kind and a path (list of keys); found {dict(row)!r}")
    form = str(row.get("format") or FIELD)
    inner = tuple(str(part) for part in row.get("inner") or ())  # type: ignore[attr-defined]
    if form not in FORMATS:
        raise InvalidPath(f"the row of paths for {kind} has the format {form!r}; known are {', '.join(FORMATS)}")
    if form in (JSON, YAML, PATTERN) and not inner:
        raise InvalidPath(f"the row of paths for {kind} has the format {form} and needs inner")
    if form == PATTERN:
        for pattern in inner:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise InvalidPath(f"the row of paths for {kind} has a wrong expression {pattern!r}: {error}") from None
            if not groups:
                raise InvalidPath(f"the row of paths for {kind} has an expression without a group: {pattern!r}")
    return KnownPath(str(kind), str(row.get("name") or "*"), tuple(str(part) for part in path), form, inner)
