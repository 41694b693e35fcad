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
	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/examples/internal/server"
	"github.com/gopulp/pulp/plugins/certguard"
	"github.com/gopulp/pulp/plugins/file"
)

func main() {
	server.Main(server.Program{
		Name: "fileserver", About: "serves files and the API of a content platform from one directory.",
		Plugins: []pulp.Plugin{file.Plugin(), certguard.Plugin()},
	})
}
