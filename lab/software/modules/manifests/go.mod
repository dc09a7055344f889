module bramble.kube/lab/manifests

go 1.26.0

// Modules of which only the manifests are taken, which lie beside the code.
require (
	github.com/argoproj/argo-workflows/v3 v3.7.3
	github.com/kubeflow/katib v0.19.0
	go.universe.tf/metallb v0.16.2
)
