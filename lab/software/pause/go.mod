module bramble.kube/lab/pause

go 1.25
