// Answers how distribution/reference, which Docker and containerd use, reads image references.
module bramble.kube/tests/reference

go 1.24

require github.com/distribution/reference v0.6.0

require github.com/opencontainers/go-digest v1.0.0 // indirect
