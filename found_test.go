package pulp_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// While clients ask all the time, a distribution is turned from one publication to the other
// and back: who asks after a turn sees it.
func TestWhatIsServedIsNeverOlderThanTheLastChange(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	repo := s.repository(t)
	var publications []string
	for _, body := range []string{"one", "two"} {
		s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "a", body)}})
		publications = append(publications, s.publish(t, object{"repository": repo.Href()}).Href())
	}
	d := s.distribute(t, "d", object{"publication": publications[0]})

	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				if a, err := s.Try("GET", s.ContentURL("d/a"), nil); err != nil || !slices.Contains([]string{"one", "two"}, string(a.Body)) {
					t.Errorf("%v %v", a, err)
					return
				}
			}
		})
	}
	turns := 30
	if testing.Short() {
		turns = 5
	}
	for i := range turns {
		a := s.Do(t, "PATCH", d.Href(), object{"publication": publications[(i+1)%2]})
		if a.Code == 202 {
			s.Wait(t, a.Object(t).Text("task"))
		}
		require.Equal(t, []string{"two", "one"}[i%2], string(s.Content(t, "d/a").Body))
	}
	stop()
	asking.Wait()
}

func TestServingAFileAgainAsksTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a", "b")
	s.Stop()
	shop, asked := openCountedIn(t, s.Dir)
	get := func(path string) (body string, questions int64) {
		before := asked.Load()
		w := httptest.NewRecorder()
		shop.ServeHTTP(w, httptest.NewRequest("GET", "/pulp/content/"+path, nil))
		return w.Body.String(), asked.Load() - before
	}
	for _, c := range []struct {
		path  string
		known bool
	}{{"d/a", false}, {"d/a", true}, {"d/b", false}, {"d/a", true}} {
		body, questions := get(c.path)
		require.Equal(t, "bytes of "+strings.TrimPrefix(c.path, "d/"), body)
		require.Equal(t, c.known, questions == 0, c.path)
	}
	_, err := shop.DB().Writer().Exec("UPDATE distribution SET base_path = 'e'")
	require.NoError(t, err)
	_, questions := get("d/a")
	require.NotZero(t, questions, "something was committed")
	body, _ := get("e/a")
	require.Equal(t, "bytes of a", body)
}
