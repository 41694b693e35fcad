// Command minimal is the program that the README shows: a whole server.
package main

import (
	"context"
	"log"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	db, err := sqlite.Open("./pulp-data")
	if err != nil {
		log.Fatal(err)
	}
	app, err := pulp.Open(ctx, db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}, AdminPassword: "change me"})
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()

	http.Handle("/pulp/", httpapi.Handler(app)) // in any server, below any prefix
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:24817", nil)) }()
	if err := app.Run(ctx); err != nil { // runs tasks until ctx ends
		log.Print(err)
	}
}
