module bramble.kube/lab/traefik-lego

go 1.26.0

// Client of certificate authorities, of which Traefik gets a copy without DNS providers.
require github.com/go-acme/lego/v5 v5.4.1
