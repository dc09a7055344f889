// Command pause holds a pod's namespaces open: it waits for a signal to end and reaps orphaned processes.
// With -v it prints its version and ends well, which kubeadm's upgrade check relies on.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	for _, argument := range os.Args[1:] {
		if strings.EqualFold(argument, "-v") {
			fmt.Println("pause (bramble.kube lab)")
			return
		}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}
