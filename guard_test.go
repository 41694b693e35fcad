package pulp_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/pulptest"
)

const (
	headerGuards    = "contentguards/core/header/"
	compositeGuards = "contentguards/core/composite/"
	redirectGuards  = "contentguards/core/content_redirect/"
	rbacGuards      = "contentguards/core/rbac/"
)

// ask sends a request for content that shows what set sets, and nothing else.
func (s *site) ask(method, path string, set func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/pulp/content/"+path, nil)
	if set != nil {
		set(r)
	}
	s.routing.Do(func() { s.handler = httpapi.Handler(s.App.App) })
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func withHeader(name, plain string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, base64.StdEncoding.EncodeToString([]byte(plain))) }
}

func (s *site) guard(t *testing.T, path string, fields object) object {
	t.Helper()
	return s.Create(t, path, s.with([]object{fields}, nil))
}

// signed adds the signature of a guard to whatever is asked for.
func (s *site) signed(t *testing.T, guard object) func(*http.Request) {
	id := guardIDOf(t, guard)
	return func(r *http.Request) {
		query, err := s.SignContent(context.Background(), id, strings.TrimPrefix(r.URL.Path, "/pulp/content/"))
		require.NoError(t, err)
		r.URL.RawQuery = query
	}
}

func guardIDOf(t *testing.T, o object) pulp.ID {
	t.Helper()
	id, err := pulp.ParseID(o.Text("prn")[strings.LastIndex(o.Text("prn"), ":")+1:])
	require.NoError(t, err)
	return id
}

func admin(r *http.Request) { r.SetBasicAuth("admin", "password") }

// Of each type of guard: what it lets through, and what it does not.
func (s *site) guards(t *testing.T) map[string]struct {
	guard  object
	passes func(*http.Request)
	fails  map[string]func(*http.Request)
} {
	type of = map[string]func(*http.Request)
	type row = struct {
		guard  object
		passes func(*http.Request)
		fails  map[string]func(*http.Request)
	}
	plain := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "open sesame"})
	json := s.guard(t, headerGuards, object{"header_name": "x-id", "header_value": "7", "jq_filter": ".identity.orgs[0].id"})
	redirect, other := s.guard(t, redirectGuards, nil), s.guard(t, redirectGuards, nil)
	inner := s.guard(t, compositeGuards, object{"guards": []string{redirect.Href(), plain.Href()}})
	return map[string]row{
		"header": {plain, withHeader("x-key", "open sesame"), of{
			"missing": nil, "other": withHeader("x-key", "open"), "empty": withHeader("x-key", ""),
			"not base64": func(r *http.Request) { r.Header.Set("x-key", "open sesame") },
			"no user":    admin,
		}},
		"header with filter": {json, withHeader("x-id", `{"identity": {"orgs": [{"id": 7}]}}`), of{
			"missing": nil, "no JSON": withHeader("x-id", "7"), "other": withHeader("x-id", `{"identity": {"orgs": [{"id": 8}]}}`),
			"nothing there": withHeader("x-id", `{}`), "other type": withHeader("x-id", `{"identity": 7}`),
			"two": withHeader("x-id", `{"identity": {"orgs": [{"id": 7}]}} {}`),
		}},
		"content_redirect": {redirect, s.signed(t, redirect), of{
			"unsigned": nil, "by another guard": s.signed(t, other),
			"for another path": func(r *http.Request) {
				path := r.URL.Path
				r.URL.Path += "x"
				s.signed(t, redirect)(r)
				r.URL.Path = path
			},
			"for longer": func(r *http.Request) {
				s.signed(t, redirect)(r)
				r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "expires=", "expires=9", 1)
			},
			"with more": func(r *http.Request) {
				s.signed(t, redirect)(r)
				r.URL.RawQuery += "&a=b"
			},
			"without salt": func(r *http.Request) { r.URL.RawQuery = "expires=99999999999&validate_token=:" },
		}},
		"rbac": {s.guard(t, rbacGuards, nil), admin, of{
			"nobody": nil, "wrong password": func(r *http.Request) { r.SetBasicAuth("admin", "x") },
			"another header": withHeader("x-key", "open sesame"),
		}},
		"composite, first": {s.guard(t, compositeGuards, object{"guards": []string{plain.Href(), json.Href()}}), withHeader("x-key", "open sesame"), of{
			"neither": nil, "another guard's": admin,
		}},
		"composite in composite": {s.guard(t, compositeGuards, object{"guards": []string{json.Href(), inner.Href()}}), s.signed(t, redirect), of{"neither": nil}},
	}
}

func TestGuardsDecideAboutEverythingThatIsServed(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("lazy", "lazy")
	repo := s.repository(t, object{"autopublish": true})
	s.sync(t, repo, s.remote(t, up, object{"policy": "on_demand"}))
	s.modify(t, repo, object{"add_content_units": []string{s.unit(t, "dir/a.txt", "hello"), s.unit(t, "web/index.html", "<p>")}})
	d := s.distribute(t, "some/where", object{"repository": repo.Href()})
	for name, g := range s.guards(t) {
		s.Update(t, d.Href(), object{"content_guard": g.guard.Href()})
		require.Equal(t, g.guard["prn"], s.Get(t, d.Href())["content_guard_prn"])
		refused := func(when string) {
			for why, show := range g.fails {
				for _, method := range []string{"GET", "HEAD"} {
					var bodies []string
					for _, path := range []string{"some/where/dir/a.txt", "some/where/", "some/where", "some/where/dir", "some/where/lazy", "some/where/no", "some/where/no/"} {
						w := s.ask(method, path, show)
						require.Equal(t, 403, w.Code, "%s, %s, %s: %s %s", name, why, when, method, path)
						require.Empty(t, w.Header().Get("Location"))
						require.Empty(t, w.Header().Get("X-PULP-ARTIFACT-SIZE"))
						bodies = append(bodies, w.Body.String())
					}
					for _, body := range bodies {
						require.Equal(t, bodies[0], body, "%s: tells what is there", name)
					}
				}
			}
		}
		refused("before")
		for _, c := range []struct {
			method, path string
			code         int
			body         string
		}{
			{"GET", "dir/a.txt", 200, "hello"}, {"GET", "dir/a.txt", 200, "hello"}, // once found, once remembered
			{"HEAD", "dir/a.txt", 200, ""}, {"GET", "dir", 301, ""}, {"GET", "dir/", 200, "a.txt"}, {"GET", "", 200, "PULP_MANIFEST"},
			{"GET", "web/", 200, "<p>"}, {"HEAD", "lazy", 200, ""}, {"GET", "lazy", 200, "lazy"}, {"GET", "no", 404, ""}, {"GET", "no/", 404, ""},
		} {
			w := s.ask(c.method, "some/where/"+c.path, g.passes)
			require.Equal(t, c.code, w.Code, "%s: %s %q: %s", name, c.method, c.path, w.Body)
			require.Contains(t, w.Body.String(), c.body)
			if c.code != 404 {
				require.Equal(t, "private", w.Header().Get("Cache-Control"))
			}
		}
		part := s.ask("GET", "some/where/dir/a.txt", func(r *http.Request) {
			g.passes(r)
			r.Header.Set("Range", "bytes=1-2")
		})
		require.Equal(t, 206, part.Code)
		require.Equal(t, "el", part.Body.String())
		require.Equal(t, 301, s.ask("GET", "some/where", g.passes).Code)
		refused("though it is remembered")
	}
	s.Update(t, d.Href(), object{"content_guard": nil})
	require.Equal(t, 200, s.ask("GET", "some/where/dir/a.txt", nil).Code)
	require.Empty(t, s.ask("GET", "some/where/dir/a.txt", nil).Header().Get("Cache-Control"))
}

func TestRefusedRequestOnDemandFetchesNothing(t *testing.T) {
	t.Parallel()
	s, up := newFiles(t), pulptest.NewUpstream(t)
	up.Put("a", "a")
	s.lazy(t, "d", "on_demand", up)
	g := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "v"})
	s.Update(t, s.List(t, "distributions/file/file/")[0].Href(), object{"content_guard": g["prn"]})
	require.Equal(t, 403, s.ask("GET", "d/a", nil).Code)
	require.Zero(t, up.Hits("a"))
	require.Equal(t, 200, s.ask("GET", "d/a", withHeader("x-key", "v")).Code)
}

func TestChangesOfGuardsCountAtOnce(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a")
	d := s.List(t, "distributions/file/file/")[0]
	code := func(value string) int { return s.ask("GET", "d/a", withHeader("x-key", value)).Code }
	require.Equal(t, 200, code(""))
	g := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "one"})
	inner := s.guard(t, compositeGuards, object{"guards": []string{g.Href()}})
	s.Update(t, d.Href(), object{"content_guard": s.guard(t, compositeGuards, object{"guards": []string{inner.Href()}}).Href()})
	require.Equal(t, 403, code(""))
	require.Equal(t, 200, code("one"))
	s.Update(t, g.Href(), object{"header_value": "two"})
	require.Equal(t, []int{403, 200}, []int{code("one"), code("two")})
	s.Update(t, inner.Href(), object{"guards": []string{}})
	require.Equal(t, 200, code(""), "an empty composite lets everybody in")
}

func TestSignedLinksExpire(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	s.fill(t, "d", "a b")
	g := s.guard(t, redirectGuards, nil)
	s.Update(t, s.List(t, "distributions/file/file/")[0].Href(), object{"content_guard": g.Href()})
	query, err := s.SignContent(t.Context(), guardIDOf(t, g), "d/a b")
	require.NoError(t, err)
	require.Equal(t, "bytes of a b", string(s.Content(t, s.ContentURL("d/a b")+"?"+query).Body))
	s.SetClock(func() time.Time { return time.Now().Add(time.Hour + time.Minute) })
	require.Equal(t, "403: The link has expired.\n", string(s.Content(t, s.ContentURL("d/a b")+"?"+query).Body))

	_, err = s.SignContent(t.Context(), guardIDOf(t, s.guard(t, rbacGuards, nil)), "d/a")
	require.ErrorIs(t, err, pulp.ErrNotFound)
}

func TestGuardInUseCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	g := s.guard(t, headerGuards, object{"header_name": "x-key", "header_value": "v"})
	all := s.guard(t, compositeGuards, object{"guards": []string{g.Href()}})
	d := s.distribute(t, "d", object{"content_guard": g.Href()})
	a := s.Refused(t, 409, "DELETE", g.Href(), nil)
	require.Contains(t, string(a.Body), "in use by 1 distribution(s) and 1 composite content guard(s)")
	s.Update(t, all.Href(), object{"guards": []string{}})
	s.Refused(t, 409, "DELETE", g.Href(), nil)
	s.Delete(t, d.Href())
	s.Delete(t, g.Href())
	require.Len(t, s.List(t, "contentguards/"), 1)
}

func TestCompositeIsNoPartOfItself(t *testing.T) {
	t.Parallel()
	s := newFiles(t)
	a := s.guard(t, compositeGuards, nil)
	b := s.guard(t, compositeGuards, object{"guards": []string{a.Href()}})
	c := s.guard(t, compositeGuards, object{"guards": []string{b.Href(), b["prn"].(string), a.Href()}})
	require.Equal(t, []string{b.Href(), a.Href()}, c.Texts("guards"), "each once")
	for _, of := range [][]string{{a.Href()}, {b.Href()}, {c.Href()}} {
		answer := s.Refused(t, 400, "PATCH", a.Href(), object{"guards": of})
		require.Contains(t, string(answer.Body), "cannot be a part of itself")
	}
	require.Empty(t, s.Get(t, a.Href()).Texts("guards"))
	// One that was brought into the database by other means lets nobody in, and ends.
	_, err := s.DB().Writer().Exec(`UPDATE guard SET detail = json_set(detail, '$.guards', json_array(3)) WHERE id = 1`)
	require.NoError(t, err)
	s.fill(t, "d", "a")
	s.Update(t, s.List(t, "distributions/file/file/")[0].Href(), object{"content_guard": c.Href()})
	require.Equal(t, 403, s.ask("GET", "d/a", nil).Code)
}
