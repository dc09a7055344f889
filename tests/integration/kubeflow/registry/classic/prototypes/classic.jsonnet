// @apiVersion 0.1
// @name test.bramble.classic
// @description An operator, a hub, a gateway and a dashboard, in API versions of 2018
// @param name string Name of the component
// @optionalParam image string registry.lan/classic:1 Image of everything

local k = import "k.libsonnet";
local classic = import "test/classic/classic.libsonnet";

std.prune(k.core.v1.list.new(classic.parts(params.image, env.namespace)))
