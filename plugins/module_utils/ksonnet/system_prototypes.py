# Copyright: bramble.kube contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to this collection: names and behaviour may change in any release.

"""Prototypes that every app has without a package: same names, parameters and objects as those built into ks."""

from __future__ import annotations

from .prototype import Parameter, Prototype

_NAME = Parameter("name", "string", "Name of the objects")
_IMAGE = Parameter("image", "string", "Container image to run")
_TYPE = Parameter("type", "string", "Type of the service", "ClusterIP")

PROTOTYPES = (
    Prototype(
        name="io.ksonnet.pkg.namespace",
        description="A namespace, labelled with its name",
        parameters=(_NAME,),
        body="""local k = import "k.libsonnet";

k.core.v1.namespace.new(params.name).withLabels({ name: params.name })
""",
    ),
    Prototype(
        name="io.ksonnet.pkg.configMap",
        description="A config map",
        parameters=(_NAME, Parameter("data", "object", "Keys and values of the config map", "{}")),
        body="""local k = import "k.libsonnet";

k.core.v1.configMap.new(params.name, params.data)
""",
    ),
    Prototype(
        name="io.ksonnet.pkg.single-port-service",
        description="A service with one port",
        parameters=(
            _NAME,
            Parameter("targetLabelSelector", "object", "Labels of the pods that it serves, such as {app: 'web'}"),
            Parameter("servicePort", "numberOrString", "Port of the service", "80"),
            Parameter("targetPort", "numberOrString", "Port of the pods", "80"),
            Parameter("protocol", "string", "TCP or UDP", "TCP"),
            _TYPE,
        ),
        body="""local k = import "k.libsonnet";
local service = k.core.v1.service;
local port = service.mixin.spec.portsType.new(params.servicePort, params.targetPort);

service.new(params.name, params.targetLabelSelector, port).withType(params.type)
""",
    ),
    Prototype(
        name="io.ksonnet.pkg.single-port-deployment",
        description="A deployment of one container with one port",
        parameters=(
            _NAME,
            _IMAGE,
            Parameter("replicas", "number", "Number of pods", "1"),
            Parameter("port", "numberOrString", "Port of the container", "80"),
        ),
        body="""local k = import "k.libsonnet";
local deployment = k.apps.v1beta1.deployment;
local container = deployment.mixin.spec.template.spec.containersType;
local main = container.new(params.name, params.image).withPorts(container.portsType.new(params.port));

deployment.new(params.name, params.replicas, main, { app: params.name })
""",
    ),
    Prototype(
        name="io.ksonnet.pkg.deployed-service",
        description="A deployment and a service in front of it",
        parameters=(
            _NAME,
            _IMAGE,
            Parameter("servicePort", "numberOrString", "Port of the service", "80"),
            Parameter("containerPort", "numberOrString", "Port of the container", "80"),
            Parameter("replicas", "number", "Number of pods", "1"),
            _TYPE,
        ),
        body="""local k = import "k.libsonnet";
local deployment = k.apps.v1beta1.deployment;
local container = deployment.mixin.spec.template.spec.containersType;
local service = k.core.v1.service;
local labels = { app: params.name };
local main = container.new(params.name, params.image).withPorts(container.portsType.new(params.containerPort));
local port = service.mixin.spec.portsType.new(params.servicePort, params.containerPort);

k.core.v1.list.new([
  service.new(params.name, labels, port).withType(params.type),
  deployment.new(params.name, params.replicas, main, labels),
])
""",
    ),
)
