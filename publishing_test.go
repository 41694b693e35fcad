package pulp_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp/pulptest"
)

// A whole batch of units without files hides none of those behind it.
func TestPublishingFindsFilesBehindManyUnitsWithoutAny(t *testing.T) {
	t.Parallel()
	s, _ := newBoxSite(t)
	up := pulptest.NewUpstream(t)
	list := []string{box(up, "first", "1", "a")}
	for i := range 2100 {
		list = append(list, box(up, fmt.Sprintf("empty%d", i), "1"))
	}
	repo := s.boxes(t)
	done := s.Wait(t, s.syncBoxes(t, repo, up, false, list...))
	require.Equal(t, "completed", done.Text("state"), done)
	version := s.latest(t, repo)
	pub := s.Create(t, "publications/box/box/", object{"repository_version": version})
	s.Create(t, "distributions/box/box/", object{"name": "d", "base_path": "d", "publication": pub.Href()})
	require.Equal(t, "a\n", string(s.Content(t, "d/index").Body))
}
