// Command fileserver is a content platform for files in one program and one directory.
//
//	go run ./examples/fileserver -addr 127.0.0.1:24817 -data ./pulp-data
//
// It speaks Pulp's REST API and serves what its distributions publish. With -mirror it keeps a
// copy of other file repositories without a call of the API: at each start it makes sure that
// there are a remote, a repository and a distribution for them, and syncs.
//
// With -backup and -verify it copies its directory, or looks after one, and ends.
//
// The first SIGINT or SIGTERM lets requests and tasks end, the second does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	cfg, err := parse(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "fileserver: %v; -h tells what there is\n", err)
		os.Exit(2)
	case cfg.version:
		fmt.Println(version())
		return
	}
	cfg.log = log
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go heed(cancel, log)
	do := run
	if cfg.backup != "" || cfg.verify != "" {
		do = upkeep
	}
	if err := do(ctx, cfg, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fileserver:", err)
		os.Exit(1)
	}
}

// heed ends the server at the first signal, and the process at the second. It lives as long as
// the process.
func heed(cancel func(), log *slog.Logger) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	s := <-signals
	log.Info("stopping: requests and tasks may end; a second signal stops at once", "signal", s, "patience", patience)
	cancel()
	<-signals
	fmt.Fprintln(os.Stderr, "fileserver: stopped at once; the next start puts in order what was under way")
	os.Exit(1)
}
