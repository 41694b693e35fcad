package pulp_test

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// What a client read of the publication before is there for a while, however it was replaced.
func TestSupersededPublicationsAnswerForAWhile(t *testing.T) {
	t.Parallel()
	clock := pulptest.NewClock()
	s := newFiles(t, pulptest.Time(clock), pulptest.Configure(func(c *pulp.Config) { c.PublicationGrace = time.Hour }))
	repo := s.repository(t, object{"autopublish": true})
	old, new := s.unit(t, "old", "bytes of old"), s.unit(t, "new", "bytes of new")
	s.modify(t, repo, object{"add_content_units": []string{old}})
	first := s.List(t, filePublications)[0]
	s.distribute(t, "latest", object{"repository": repo.Href()})
	pinned := s.distribute(t, "pinned", object{"publication": first.Href()})
	s.modify(t, repo, object{"add_content_units": []string{new}, "remove_content_units": []string{old}})
	second := s.List(t, filePublications)[0]
	require.NotEqual(t, first.Href(), second.Href())
	s.Update(t, pinned.Href(), object{"publication": second.Href()})
	for _, base := range []string{"latest", "pinned"} {
		require.Equal(t, "bytes of old", string(s.Content(t, base+"/old").Body))
		require.Equal(t, "bytes of new", string(s.Content(t, base+"/new").Body))
		require.NotContains(t, string(s.Content(t, base+"/").Body), "old", "it is not listed")
		require.NotContains(t, string(s.Content(t, base+"/PULP_MANIFEST").Body), "old")
		require.Equal(t, 404, s.Content(t, base+"/none").Code)
	}
	s.Advance(t, time.Hour+time.Second)
	for _, base := range []string{"latest", "pinned"} {
		require.Equal(t, 404, s.Content(t, base+"/old").Code)
		require.Equal(t, 200, s.Content(t, base+"/new").Code)
	}
	// What was never served by a distribution is not served by it now.
	s.Update(t, pinned.Href(), object{"publication": nil, "repository": repo.Href()})
	require.Equal(t, 404, s.Content(t, "pinned/old").Code)
}

func TestNoGraceIfNoneIsWanted(t *testing.T) {
	t.Parallel()
	s := newFiles(t, pulptest.Configure(func(c *pulp.Config) { c.PublicationGrace = -1 }))
	repo := s.fill(t, "d", "a")
	unit := s.List(t, fileContent)[0]
	s.modify(t, repo, object{"remove_content_units": []string{unit.Href()}})
	s.publish(t, object{"repository": repo.Href()})
	require.Equal(t, 404, s.Content(t, "d/a").Code)
}

// Clients read the manifest, and then each file that it names, while all files are replaced by
// others, again and again.
func TestClientsNeverMissWhatTheManifestNames(t *testing.T) {
	t.Parallel()
	rounds := 8
	if pulptest.Heavy() {
		rounds = 100
	}
	s := newFiles(t)
	repo := s.repository(t, object{"autopublish": true})
	s.distribute(t, "d", object{"repository": repo.Href()})
	round := func(n int) {
		var units []string
		for i := range 3 {
			path := fmt.Sprintf("%d/%d", n, i)
			units = append(units, s.unit(t, path, "bytes of "+path))
		}
		s.modify(t, repo, object{"add_content_units": units, "remove_content_units": []string{"*"}})
	}
	round(0)
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if !s.readAll(t) {
					return
				}
			}
		})
	}
	for n := range rounds {
		round(n + 1)
	}
	close(done)
	clients.Wait()
}

// readAll reads the manifest and all that it names; false says that something was wrong.
func (s *site) readAll(t *testing.T) bool {
	manifest, err := s.Try("GET", s.ContentURL("d/PULP_MANIFEST"), nil)
	if err != nil || manifest.Code != 200 {
		t.Errorf("manifest: %v %v", manifest, err)
		return false
	}
	of := ""
	for lines := bufio.NewScanner(bytes.NewReader(manifest.Body)); lines.Scan(); {
		path, _, _ := strings.Cut(lines.Text(), ",")
		n, _, _ := strings.Cut(path, "/")
		if of == "" {
			of = n
		}
		a, err := s.Try("GET", s.ContentURL("d/"+path), nil)
		if err != nil || a.Code != 200 || string(a.Body) != "bytes of "+path || n != of {
			t.Errorf("%s, after %s: %v %v", path, of, a, err)
			return false
		}
	}
	return true
}
