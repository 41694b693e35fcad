// Command server is a content platform with all plugins in one program and one directory.
//
//	go run ./examples/server -addr 127.0.0.1:24817 -data ./pulp-data -sign releases=releases.asc
//
// It has the flags of examples/fileserver, and -sign NAME=FILE, as often as needed: a service that
// signs what plugins publish, with the armored private key in the file. PULP_SIGN_PASSPHRASE is
// the passphrase of the keys.
package main

import (
	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/examples/internal/server"
	"github.com/gopulp/pulp/plugins/certguard"
	"github.com/gopulp/pulp/plugins/deb"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/plugins/goproxy"
	"github.com/gopulp/pulp/plugins/python"
)

func main() {
	server.Main(server.Program{Name: "server", About: "serves all types of content from one directory.", Plugins: plugins(), Signs: true})
}

// plugins are all that there are. One more is a line more.
func plugins() []pulp.Plugin {
	return []pulp.Plugin{
		file.Plugin(),
		certguard.Plugin(),
		deb.Plugin(),
		goproxy.Plugin(),
		python.Plugin(),
	}
}
