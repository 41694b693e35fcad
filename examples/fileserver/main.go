// Command fileserver is a content platform for files in one program and one directory.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:24817", "the address to listen on")
	data := flag.String("data", "./pulp-data", "the data directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := sqlite.Open(*data)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	app, err := pulp.Open(ctx, db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, AdminPassword: os.Getenv("PULP_ADMIN_PASSWORD")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	srv := &http.Server{Handler: httpapi.Handler(app), ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l)
	if err := app.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	srv.Close()
	app.Close()
}
