// Package osspecific gets its Linux half of signals and waiting here: the module's archive lacks this one file.
package osspecific

import (
	"os"
	"syscall"

	"github.com/argoproj/argo-workflows/v3/util/errors"
)

// Term asks a step to end.
var Term = syscall.SIGTERM

// CanIgnoreSignal tells the signals that the kernel and Go's runtime send to this process alone.
func CanIgnoreSignal(s os.Signal) bool {
	return s == syscall.SIGCHLD || s == syscall.SIGURG
}

// Setpgid makes the step the leader of a group of processes.
func Setpgid(attributes *syscall.SysProcAttr) {
	attributes.Setpgid = true
}

// Kill sends a signal to a step and what it has started.
func Kill(pid int, s syscall.Signal) error {
	if group, err := syscall.Getpgid(pid); err == nil {
		return syscall.Kill(-group, s)
	}
	return syscall.Kill(pid, s)
}

// Wait reaps whatever ends, as process 1 of a container has to, until the step does; nil or an error with its exit code.
func Wait(process *os.Process) error {
	pid := process.Pid
	if err := process.Release(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR || err == nil && ended != pid:
		case err != nil:
			return err
		case status.Signaled():
			return errors.NewExitErr(128 + int(status.Signal()))
		default:
			return errors.NewExitErr(status.ExitStatus())
		}
	}
}
