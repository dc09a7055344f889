local meta(name, namespace=null) = { name: name, namespace: namespace, labels: { app: name } };
local pods(name, image) = {
  metadata: { labels: { app: name } },
  spec: { serviceAccountName: name, containers: [{ name: name, image: image }] },
};
local account(name, namespace) = { apiVersion: "v1", kind: "ServiceAccount", metadata: meta(name, namespace) };
local deployment(name, namespace, image, replicas=1) = {
  apiVersion: "extensions/v1beta1",
  kind: "Deployment",
  metadata: meta(name, namespace),
  spec: { replicas: replicas, template: pods(name, image) },
};
local service(name, namespace, port) = {
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(name, namespace),
  spec: { selector: { app: name }, ports: [{ port: port }] },
};

{
  operator(image, namespace):: [
    {
      apiVersion: "apiextensions.k8s.io/v1beta1",
      kind: "CustomResourceDefinition",
      metadata: { name: "widgetjobs.bramble.example" },
      spec: {
        group: "bramble.example",
        version: "v1alpha1",
        scope: "Namespaced",
        names: { kind: "WidgetJob", plural: "widgetjobs", singular: "widgetjob" },
      },
    },
    account("widget-operator", namespace),
    {
      apiVersion: "rbac.authorization.k8s.io/v1beta1",
      kind: "ClusterRole",
      metadata: meta("widget-operator"),
      rules: [{ apiGroups: ["bramble.example"], resources: ["widgetjobs"], verbs: ["*"] }],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1beta1",
      kind: "ClusterRoleBinding",
      metadata: meta("widget-operator", namespace),  // it lives outside namespaces, which nobody minded in 2018
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "widget-operator" },
      subjects: [{ kind: "ServiceAccount", name: "widget-operator", namespace: namespace }],
    },
    deployment("widget-operator", namespace, image),
  ],

  hub(image, namespace):: [
    account("hub", namespace),
    service("hub", namespace, 8000),
    { apiVersion: "v1", kind: "ConfigMap", metadata: meta("hub-config", namespace), data: { "hub.py": "pass\n" } },
    {
      apiVersion: "apps/v1beta1",
      kind: "StatefulSet",
      metadata: meta("hub", namespace),
      spec: { serviceName: "hub", replicas: 1, template: pods("hub", image) },
    },
  ],

  gateway(image, namespace):: [
    account("gateway", namespace),
    service("gateway", namespace, 80),
    deployment("gateway", namespace, image, 3),
  ],

  dashboard(image, namespace):: [
    account("widget-dashboard", namespace),
    service("widget-dashboard", namespace, 80),
    deployment("widget-dashboard", namespace, image),
  ],

  parts(image, namespace)::
    self.operator(image, namespace) + self.hub(image, namespace)
    + self.gateway(image, namespace) + self.dashboard(image, namespace),
}
