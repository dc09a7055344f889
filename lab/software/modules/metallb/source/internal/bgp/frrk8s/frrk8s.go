// Package frr stands in for MetalLB's BGP by way of frr-k8s, whose API module of the release that MetalLB wants is
// not available. Nothing in the lab speaks BGP; whoever configures a BGP peer is told so.
package frr

import (
	"errors"

	"github.com/go-kit/log"
	frrv1beta1 "github.com/metallb/frr-k8s/api/v1beta1"

	"go.universe.tf/metallb/internal/bgp"
	"go.universe.tf/metallb/internal/config"
	"go.universe.tf/metallb/internal/logging"
)

var errLeftOut = errors.New("the lab's MetalLB speaks no BGP")

type sessionManager struct{}

// NewSessionManager returns a manager that opens no session.
func NewSessionManager(log.Logger, logging.Level, string, string) bgp.SessionManager {
	return sessionManager{}
}

func (sessionManager) NewSession(log.Logger, bgp.SessionParameters) (bgp.Session, error) {
	return nil, errLeftOut
}

func (sessionManager) SyncBFDProfiles(profiles map[string]*config.BFDProfile) error {
	if len(profiles) > 0 {
		return errLeftOut
	}
	return nil
}

func (sessionManager) SyncExtraInfo(extra string) error {
	if extra != "" {
		return errLeftOut
	}
	return nil
}

func (sessionManager) SetEventCallback(func(interface{})) {}

// ConfigName is the name that a node's configuration would have.
func ConfigName(node string) string {
	return "metallb-" + node
}

// ConfigToDump prints nothing of a configuration, as there is none.
func ConfigToDump(frrv1beta1.FRRConfiguration) (string, error) {
	return "", errLeftOut
}
