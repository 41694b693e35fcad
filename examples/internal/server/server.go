// Package server is what the servers of the examples have in common: flags, HTTP, TLS, mirrors,
// copies and an orderly end. A program names its plugins, and is nothing but a call of [Main].
package server

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/gopulp/pulp"
)

// A Program is what makes one server another than the next.
type Program struct {
	// Name is what its messages begin with.
	Name string
	// About goes on from the name, in the help.
	About string
	// Plugins are its plugins. The one for files is among them, for -mirror.
	Plugins []pulp.Plugin
	// Signs says that there are plugins whose publications are signed: it has the flag -sign.
	Signs bool
}

// Main is the main function of a program: it reads the flags, serves until a signal, and exits.
func Main(p Program) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg, err := p.parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v; -h tells what there is\n", p.Name, err)
		os.Exit(2)
	case cfg.version:
		fmt.Println(p.version())
		return
	}
	cfg.log = log
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.heed(cancel, log)
	do := run
	if cfg.backup != "" || cfg.verify != "" {
		do = upkeep
	}
	if err := do(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		os.Exit(1)
	}
}

// heed ends the server at the first signal, and the process at the second. It lives as long as
// the process.
func (p Program) heed(cancel func(), log *slog.Logger) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	s := <-signals
	log.Info("stopping: requests and tasks may end; a second signal stops at once", "signal", s, "patience", patience)
	cancel()
	<-signals
	fmt.Fprintf(os.Stderr, "%s: stopped at once; the next start puts in order what was under way\n", p.Name)
	os.Exit(1)
}
