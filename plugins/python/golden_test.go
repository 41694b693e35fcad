package python_test

import (
	"testing"

	"github.com/gopulp/pulp/plugins/python"
	"github.com/gopulp/pulp/pulptest"
)

func TestRESTIsAsRecorded(t *testing.T) {
	t.Parallel()
	s := &site{up: pulptest.NewUpstream(t)}
	s.release(t, "hello", true, map[string][]byte{wheelName("hello", "1.0"): wheel(t, "hello", "1.0", "Requires-Dist: six\n")})
	pulptest.Records{
		Plugin: "python", Upstream: s.up.URL(""), File: wheel(t, "hello", "2.0", "Keywords: a b\n"),
		New: func() *pulptest.App { return pulptest.New(t, pulptest.Plugins(python.Plugin())) },
	}.Play(t)
}
