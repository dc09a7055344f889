"""Whatever a node of a manifest is replaced by, the answer is one sentence or none: never a traceback."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.bramble.kube.plugins.module_utils.manifests import (
    clientside,
    compare,
    load,
    masking,
    modernize,
    order,
    waiting,
)
from ansible_collections.bramble.kube.plugins.module_utils.manifests import transform as shape
from ansible_collections.bramble.kube.plugins.module_utils.manifests.errors import ManifestError, Slips

MANIFESTS = """
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {a: b}, annotations: {c: d}}
spec:
  replicas: 1
  strategy: {rollingUpdate: {maxSurge: 1}}
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      initContainers: [{name: i, image: busybox}]
      containers: [{name: c, image: nginx, securityContext: {fsGroup: 1}, env: [{name: A, value: "1"}]}]
---
apiVersion: extensions/v1beta1
kind: DaemonSet
metadata: {name: agent}
spec:
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}
  updateStrategy: {type: OnDelete}
---
apiVersion: apps/v1beta1
kind: StatefulSet
metadata: {name: db}
spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: front}
spec:
  backend: {serviceName: web, servicePort: 80}
  rules: [{host: a.example.org, http: {paths: [{path: /, backend: {serviceName: web, servicePort: http}}]}}]
---
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: xs.example.org}
spec:
  group: example.org
  version: v1
  names: {kind: X, plural: xs}
  validation: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {a: {type: string}}}}}}
  additionalPrinterColumns: [{name: A, type: string, JSONPath: .spec.a}]
  conversion: {strategy: Webhook, webhookClientConfig: {url: "https://a"}, conversionReviewVersions: [v1]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ys.example.org}
spec:
  group: example.org
  names: {kind: Y, plural: ys}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: {name: scale}
spec:
  scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}
  metrics:
  - {type: Resource, resource: {name: cpu, targetAverageUtilization: 50}}
  - {type: Object, object: {target: {kind: Service, name: s}, metricName: m, targetValue: 1}}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: ValidatingWebhookConfiguration
metadata: {name: hook}
webhooks: [{name: a.example.org, clientConfig: {url: "https://a"}, rules: [{apiGroups: [""], resources: [pods]}]}]
---
apiVersion: rbac.authorization.k8s.io/v1alpha1
kind: RoleBinding
metadata: {name: bind}
roleRef: {kind: Role, name: r}
subjects: [{kind: User, name: "*", apiVersion: rbac.authorization.k8s.io/v1alpha1}]
---
apiVersion: discovery.k8s.io/v1beta1
kind: EndpointSlice
metadata: {name: slice}
endpoints: [{addresses: [10.0.0.1], topology: {kubernetes.io/hostname: pi, other: x}}]
---
apiVersion: v1
kind: Secret
metadata: {name: secret, finalizers: [a/b], ownerReferences: [{uid: "1", kind: X, name: x, apiVersion: v1}]}
data: {a: YQ==}
stringData: {b: c}
---
apiVersion: certificates.k8s.io/v1beta1
kind: CertificateSigningRequest
metadata: {name: csr}
spec: {request: YQ==, signerName: example.org/a, usages: [any]}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1beta1
kind: PriorityLevelConfiguration
metadata: {name: level}
spec: {type: Limited, limited: {assuredConcurrencyShares: 5}}
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: budget}
spec: {selector: {}, minAvailable: 1}
---
apiVersion: node.k8s.io/v1alpha1
kind: RuntimeClass
metadata: {name: runtime}
spec: {runtimeHandler: runc, overhead: {podFixed: {cpu: 1}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {containers: [{name: c, image: nginx}], restartPolicy: Never}}, selector: {matchLabels: {a: b}}}
"""
DOCUMENTS = list(yaml.safe_load_all(MANIFESTS))
REPLACEMENTS = [None, "text", "", 7, 0, True, [], ["x"], [None], [{}], {}, {"x": "y"}, {"x": None}]


def paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    yield path
    if isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(entry, (*path, key))


def replaced(document: Any, path: tuple, value: Any) -> Any:
    if not path:
        return value
    result = copy.deepcopy(document)
    node = result
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return result


def through(document: Any) -> None:
    """All that a push does with an object before a server judges it, and with what a server would answer."""
    items = load.load([], document)
    shape.choose(items, "metadata.name", "spec.x && spec.x.y == 'z'")
    scopes = order.defined_scopes(items)
    shape.refuse_wrong_scopes(items, lambda item: order.known_scope(item.group, item.kind, scopes))
    slips = Slips()
    for item in items:
        with slips.noted():
            shape.settle(item)
    slips.tell()
    shape.set_labels(items, {"team": "shop"})
    shape.set_images(items, {"nginx": "other", "docker.io/": "registry.example/"})
    items, _report = modernize.modernize(items, lambda _item: True, lambda _version, _kind: True)
    scopes = order.defined_scopes(items)
    shape.set_namespaces(items, lambda item: order.known_scope(item.group, item.kind, scopes), "default")
    for _wave, members in order.waves(items):
        for item in members:
            order.defined_kinds(item)
            live = copy.deepcopy(item.object)
            live["metadata"]["managedFields"] = [
                {
                    "manager": "bramble.kube",
                    "operation": "Apply",
                    "apiVersion": item.api_version,
                    "fieldsV1": {"f:spec": {}},
                }
            ]
            compare.compare(item.object, live)
            clientside.patch_for(item.object, clientside.annotated(live))
            clientside.lost(item.object, live)
            waiting.predicate_for(item)
            waiting.selector_of(item)
            masking.mask(item.object)


@pytest.mark.parametrize("number", range(len(DOCUMENTS)), ids=lambda number: DOCUMENTS[number]["kind"])
def test_each_node_replaced(number):
    document = DOCUMENTS[number]
    through(copy.deepcopy(document))
    told = 0
    for path in paths(document):
        for value in REPLACEMENTS:
            changed = replaced(document, path, copy.deepcopy(value))
            try:
                through(changed)
            except ManifestError as error:
                told += 1
                assert "object 1 of definition" in str(error) or "definition:" in str(error), error
            except Exception as error:
                pytest.fail(f"{'.'.join(map(str, path))} = {value!r}: {type(error).__name__}: {error}")
    assert told > 20
