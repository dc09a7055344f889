module bramble.kube/lab/cni-flannel

go 1.26.0

tool github.com/containernetworking/plugins/plugins/meta/flannel

require github.com/containernetworking/plugins v0.9.1

require (
	github.com/vishvananda/netns v0.0.4 // indirect
	golang.org/x/sys v0.23.0 // indirect
)

// The last release with the flannel plugin speaks CNI 0.4.0. With the current library it speaks 1.0.0, as flannel asks for.
// `go mod tidy` stumbles over the tests of that release: change versions by `go get`.
require github.com/containernetworking/cni v1.3.0
