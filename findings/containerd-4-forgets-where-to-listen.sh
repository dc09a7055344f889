#!/usr/bin/env bash
# containerd: raising "version = 3" to 4, as its log seems to ask, moves its socket and ends its metrics without a word.
#
# With: github.com/containerd/containerd/v2 2.4.2 (the package by which it reads its configuration), Go proxy.
#
# Guess: sections that version 4 has replaced are migrated in any file, or refused, or at least warned of as unknown keys
# are; what the log warns of, a file of version 3, is the worse one.
#
# Behaviour: of version 3, containerd reads [grpc] and [metrics] and migrates them, with a warning that proposes another
# version. In a file of version 4 both are still known keys, so nothing is said, but only files of an older version are
# migrated: its socket is at the default address again, and nobody serves metrics.
#
# Seen:
#   version 3: grpc /run/k8s/containerd.sock, metrics 127.0.0.1:1338, 1 warning
#   version 4: grpc default, metrics none, 0 warnings
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOPATH=$work/go GOCACHE=$work/cache GOFLAGS="-modcacherw -mod=mod"
cd "$work"
cat >go.mod <<'GO'
module show

go 1.26.6

require github.com/containerd/containerd/v2 v2.4.2
GO
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/cmd/containerd/server/config"
	"github.com/containerd/containerd/v2/version"
)

func main() {
	read := config.Config{Version: version.ConfigVersion}
	if err := config.LoadConfig(context.Background(), os.Args[1], &read); err != nil {
		panic(err)
	}
	address := func(server, otherwise string) any {
		if plugin, there := read.Plugins["io.containerd.server.v1."+server].(map[string]any); there {
			return plugin["address"]
		}
		return otherwise
	}
	fmt.Printf("grpc %v, metrics %v", address("grpc", "default"), address("metrics", "none"))
}
GO
go build -o read . 2>build.log || { cat build.log; exit 1; }

for version in 3 4; do
    printf 'version = %s\n[grpc]\naddress = "/run/k8s/containerd.sock"\n[metrics]\naddress = "127.0.0.1:1338"\n' $version >config.toml
    found=$(./read config.toml 2>log)
    warnings=$(grep -c level=warning log || true)
    echo "version $version: $found, $warnings warning$([ "$warnings" = 1 ] || echo s)"
done | tee seen
diff - seen <<'SEEN'
version 3: grpc /run/k8s/containerd.sock, metrics 127.0.0.1:1338, 1 warning
version 4: grpc default, metrics none, 0 warnings
SEEN
