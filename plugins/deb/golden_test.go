package deb_test

import (
	"testing"

	"github.com/gopulp/pulp/pulptest"
)

func TestRESTIsAsRecorded(t *testing.T) {
	t.Parallel()
	pulptest.Records{
		Plugin: "deb", Upstream: newSource(t, newService(t, "up"), ".gz").URL(""), File: build(t, "hello", "1:1.0-1", "amd64", "Depends: libc6\n"),
		New: func() *pulptest.App {
			app, _ := newApp(t)
			return app
		},
	}.Play(t)
}
