package pulp_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/pulptest"
)

// A plugin's own guard, which can break, and which sees what there is to see.
func TestPluginsMakeGuards(t *testing.T) {
	t.Parallel()
	type door struct {
		Word string `json:"word" validate:"required"`
	}
	var broken bool
	doors := &pulp.GuardType[door]{
		Name: "door",
		Validate: func(old, g *pulp.Guard[door]) error {
			if g.Detail.Word == "bad" {
				return pulp.FieldErrors{"word": {"No."}}
			}
			return nil
		},
		Permit: func(_ context.Context, g *pulp.Guard[door], r *pulp.ContentRequest) error {
			if broken {
				return http.ErrServerClosed
			}
			certs, err := r.Certificates()
			if err != nil || len(certs) > 0 || r.BasePath != "d" || r.Header("x-word") != g.Detail.Word {
				return pulp.Deny("Not at %s.", strconv.Quote(r.Path))
			}
			return nil
		},
	}
	s := newFiles(t, pulptest.Plugins(pulp.Plugin{Name: "house", Version: "1", Parts: []pulp.Part{doors}}))
	s.fill(t, "d", "a")
	g := s.guard(t, "contentguards/house/door/", object{"word": "w"})
	require.Contains(t, g.Text("prn"), "prn:house.housedoorcontentguard:")
	s.Refused(t, 400, "PATCH", g.Href(), object{"word": "bad"})
	s.Update(t, s.List(t, "distributions/file/file/")[0].Href(), object{"content_guard": g.Href()})
	require.Equal(t, "403: Not at \"d/a\".\n", s.ask("GET", "d/a", nil).Body.String())
	require.Equal(t, 200, s.ask("GET", "d/a", func(r *http.Request) { r.Header.Set("x-word", "w") }).Code)
	// Who asks from Go shows nothing, or what they say.
	_, err := s.Serve(t.Context(), "d/a")
	require.ErrorIs(t, err, pulp.ErrDenied)
	served, err := s.Serve(pulp.WithContentRequest(t.Context(), pulp.ContentRequest{Header: func(string) string { return "w" }}), "d/a")
	require.NoError(t, err)
	require.True(t, served.Private)
	require.NoError(t, served.File.Close())
	broken = true
	w := s.ask("GET", "d/a", nil)
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "Server closed")
	require.Contains(t, s.Log.String(), "Server closed")

	// Without the plugin, its guards let nobody in.
	s.Stop()
	without := newFiles(t, pulptest.Dir(s.Dir))
	require.Equal(t, 403, without.ask("GET", "d/a", func(r *http.Request) { r.Header.Set("x-word", "w") }).Code)
}

func TestGuardTypeNeedsPermit(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, openFails(t, &pulp.GuardType[pulp.None]{Name: "door"}), `guard type "door": field Permit is missing`)
}

func TestGuardOfWhatIsRememberedAsksTheDatabaseNothing(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a")
	g := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "v"})
	s.Update(t, s.List(t, "distributions/file/file/")[0].Href(), object{"content_guard": g.Href()})
	s.Stop()
	shop, asked := openCountedIn(t, s.Dir)
	get := func(value string) (code int, questions int64) {
		before := asked.Load()
		r := httptest.NewRequest("GET", "/pulp/content/d/a", nil)
		r.Header.Set("x-key", base64.StdEncoding.EncodeToString([]byte(value)))
		w := httptest.NewRecorder()
		shop.ServeHTTP(w, r)
		return w.Code, asked.Load() - before
	}
	for _, c := range []struct {
		value string
		code  int
		known bool
	}{{"w", 403, false}, {"v", 200, false}, {"v", 200, true}, {"w", 403, true}, {"v", 200, true}} {
		code, questions := get(c.value)
		require.Equal(t, c.code, code)
		require.Equal(t, c.known, questions == 0)
	}
}

// While clients ask all the time, a guard comes and goes: who asks after a change sees it.
func TestNoRequestSlipsPastAGuardThatHasJustCome(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a")
	d := s.List(t, "distributions/file/file/")[0]
	g := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "v"})
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				if w := s.ask("GET", "d/a", nil); w.Code != 200 && w.Code != 403 {
					t.Errorf("%d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	turns := 30
	if testing.Short() {
		turns = 5
	}
	for range turns {
		s.Update(t, d.Href(), object{"content_guard": g.Href()})
		require.Equal(t, 403, s.ask("GET", "d/a", nil).Code)
		require.Equal(t, 200, s.ask("GET", "d/a", withHeader("x-key", "v")).Code)
		s.Update(t, d.Href(), object{"content_guard": nil})
		require.Equal(t, 200, s.ask("GET", "d/a", nil).Code)
	}
	stop()
	asking.Wait()
}
