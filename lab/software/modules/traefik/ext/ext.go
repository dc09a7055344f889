// Package ext stands in for Traefik's module of the same name, which exists only in its repository: what it adds to
// Traefik's own configuration is empty there, too.
package ext

// HTTP adds nothing to the configuration of HTTP.
type HTTP struct{}

// Router adds nothing to a router.
type Router struct{}
