"""The sets that the benchmark pushes: 25, 501 and 5,000 objects."""

from __future__ import annotations

from pathlib import Path

KINDS = ("ConfigMap", "ServiceAccount", "Service", "Role", "Deployment")


def document(kind: str, number: int, space: str, value: str = "1") -> str:
    """One object as YAML text."""
    name = f"{kind.lower()}-{number:04}"
    head = f"kind: {kind}\nmetadata:\n  name: {name}\n  namespace: {space}\n  labels:\n    app: bench\n"
    if kind == "ConfigMap":
        lines = "".join(f"  key-{index}: value {index} of {name}\n" for index in range(5))
        return f"apiVersion: v1\n{head}data:\n  value: '{value}'\n{lines}"
    if kind == "ServiceAccount":
        return f"apiVersion: v1\n{head}automountServiceAccountToken: false\n"
    if kind == "Service":
        port = "  ports:\n    - name: http\n      port: 80\n      targetPort: 8080\n"
        return f"apiVersion: v1\n{head}spec:\n  selector:\n    app: {name}\n{port}"
    if kind == "Role":
        return (
            f"apiVersion: rbac.authorization.k8s.io/v1\n{head}rules:\n  - apiGroups: ['']\n    resources: [pods]\n"
            "    verbs: [get, list, watch]\n"
        )
    return f"""apiVersion: apps/v1
{head}spec:
  replicas: 0
  selector:
    matchLabels:
      app: {name}
  template:
    metadata:
      labels:
        app: {name}
    spec:
      containers:
        - name: app
          image: example.org/app:1.0
          args: [--port=8080]
          ports:
            - containerPort: 8080
          env:
            - name: POD
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
          resources:
            requests:
              cpu: 500m
              memory: 64Mi
"""


def write(path: Path, size: int, space: str, value: str = "1") -> int:
    """Write a set of `size` objects (a namespace, and as many of each kind); returns how many it has.

    :param value: what the first ConfigMap holds, to change one object.
    """
    parts = [f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {space}\n"]
    each = (size - 1) // len(KINDS)
    for kind in KINDS:
        parts.extend(document(kind, number, space, value if number == 0 else "1") for number in range(each))
    parts.extend(document("ConfigMap", 9000 + number, space) for number in range(size - len(parts)))
    path.write_text("---\n".join(parts))
    return len(parts)
