#!/usr/bin/env bash
# kube-router: a node that gets another share of the Pod network keeps its old one too, and its Pods get two addresses.
#
# With: github.com/cloudnativelabs/kube-router/v2 2.1.0 (the functions by which it writes the node's share into the CNI
# configuration at each start) and the CNI plugin host-local 1.9.1 (github.com/containernetworking/plugins), Go proxy.
#
# Guess: the configuration names one share per address family, so a new one takes the place of the old one.
#
# Behaviour: the new share is added as a further set of ranges. host-local takes one address from each set, so every new
# Pod gets two addresses of one family, the one of the old share first; that is the one the cluster knows it by, and no
# other node has a route to it. The daemon set's own init container copies a fresh configuration only when none is there,
# so it stays so until somebody deletes the file. A node gets another share when its Node object is deleted and made again.
#
# Seen:
#   after the first start: 10.244.1.0/24
#   after a start with another share: 10.244.1.0/24 10.244.7.0/24
#   a Pod's addresses: 10.244.1.2/24 10.244.7.2/24
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.24

require (
	github.com/cloudnativelabs/kube-router/v2 v2.1.0
	github.com/containernetworking/plugins v1.9.1
)
GO
cat >main.go <<'GO'
package main

import (
	"os"

	"github.com/cloudnativelabs/kube-router/v2/pkg/utils"
)

func main() {
	found, err := utils.NewCNINetworkConfig(os.Args[1])
	if err == nil {
		err = found.InsertPodCIDRIntoIPAM(os.Args[2])
	}
	if err == nil {
		err = found.WriteCNIConfig()
	}
	if err != nil {
		panic(err)
	}
}
GO
go build -o start . 2>build.log || { cat build.log; exit 1; }
go build -o host-local github.com/containernetworking/plugins/plugins/ipam/host-local 2>build.log || { cat build.log; exit 1; }

cat >pods.conflist <<JSON
{"cniVersion": "0.3.1", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "kube-bridge", "ipam": {"type": "host-local", "dataDir": "$work/addresses"}}]}
JSON
shares() { grep -o '"subnet":"[^"]*"' pods.conflist | cut -d'"' -f4 | paste -sd' '; }
./start pods.conflist 10.244.1.0/24
first="after the first start: $(shares)"
./start pods.conflist 10.244.7.0/24
second="after a start with another share: $(shares)"
python3 - >plugin.json <<'PYTHON'
import json
found = json.load(open("pods.conflist"))
print(json.dumps({"cniVersion": "0.3.1", "name": "pods", "type": "bridge", "ipam": found["plugins"][0]["ipam"]}))
PYTHON
answer=$(CNI_COMMAND=ADD CNI_CONTAINERID=pod CNI_NETNS=/none CNI_IFNAME=eth0 CNI_PATH=. ./host-local <plugin.json)
third="a Pod's addresses: $(python3 -c 'import json, sys; print(*(ip["address"] for ip in json.load(sys.stdin)["ips"]))' <<<"$answer")"
printf '%s\n' "$first" "$second" "$third" | tee seen
diff - seen <<'SEEN'
after the first start: 10.244.1.0/24
after a start with another share: 10.244.1.0/24 10.244.7.0/24
a Pod's addresses: 10.244.1.2/24 10.244.7.2/24
SEEN
