package pulp_test

import (
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/stretchr/testify/require"
)

// needs reads testdata/routes.txt: operation id → the permissions that it asks for.
func needs(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/routes.txt")
	require.NoError(t, err)
	out := map[string][]string{}
	var prefix, stem string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		verbs, rights, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
			continue
		case !ok:
			prefix, stem, _ = strings.Cut(line, " ")
			continue
		}
		var permissions []string
		for _, r := range strings.Fields(rights) {
			if app, model, _ := strings.Cut(stem, "."); !strings.Contains(r, ".") && !slices.Contains([]string{"login", "admin", "anybody"}, r) {
				r = app + "." + r + "_" + model
			}
			permissions = append(permissions, r)
		}
		if strings.TrimSpace(verbs) == "" {
			out[prefix] = permissions
		}
		for _, verb := range strings.Fields(verbs) {
			out[prefix+"_"+verb] = permissions
		}
	}
	return out
}

// A walk is an App with an object behind every route.
type walk struct {
	*shop
	byName http.Handler      // believes the header X-User
	keys   map[string]string // collection → the path variable of its object
	bodies map[string]string // operation id → JSON body
	role   string            // href of the role of the user "right"
}

func openWalk(t *testing.T) *walk {
	t.Helper()
	s := openShop(t, file.Plugin())
	w := &walk{shop: s, keys: map[string]string{}, bodies: map[string]string{}}
	w.byName = httpapi.Handler(s.App, httpapi.Authenticators(func(r *http.Request) (pulp.Caller, error) {
		if name := r.Header.Get("X-User"); name != "" {
			return s.Caller(r.Context(), name)
		}
		return pulp.Caller{}, nil
	}))
	keep := func(href string) string {
		parts := strings.Split(strings.Trim(strings.TrimPrefix(href, shopAPI), "/"), "/")
		w.keys[strings.Join(parts[:len(parts)-1], "/")] = parts[len(parts)-1]
		return href
	}
	made := func(r reply) string { return keep(s.end(t, r)["created_resources"].([]any)[0].(string)) }
	exec := func(query string, args ...any) {
		_, err := s.DB().Writer().DB.ExecContext(t.Context(), query, args...)
		require.NoError(t, err)
	}
	repo := keep(s.make(t, "repositories/file/file/", `{"name":"r"}`))
	keep(s.make(t, "remotes/file/file/", `{"name":"r","url":"http://x.invalid/M"}`))
	keep(s.make(t, "publishers/file/file/", `{"name":"p"}`))
	keep(s.make(t, "contentguards/core/header/", `{"name":"h","header_name":"x","header_value":"y"}`))
	keep(s.make(t, "contentguards/core/composite/", `{"name":"c"}`))
	keep(s.make(t, "contentguards/core/content_redirect/", `{"name":"cr"}`))
	keep(s.make(t, "contentguards/core/rbac/", `{"name":"r"}`))
	keep(s.make(t, "uploads/", `{"size":5}`))
	made(s.ask(t, "POST", "publications/file/file/", `{"repository":"`+repo+`"}`))
	made(s.ask(t, "POST", "distributions/file/file/", `{"name":"d","base_path":"d"}`))
	kind, form := multipartOf(t, map[string]string{"relative_path": "a", "repository": repo}, "hello")
	made(s.send(t, "POST", "content/file/files/", kind, strings.NewReader(form)))
	keep(s.names(t, "artifacts/", "pulp_href")[0])
	keep(s.names(t, "workers/", "pulp_href")[0])
	keep(s.names(t, "signing-services/", "pulp_href")[0])
	task := keep(s.names(t, "tasks/", "pulp_href")[0])
	keep(s.names(t, "access_policies/?viewset_name=shop/coupons", "pulp_href")[0])
	group := pulp.NewID()
	exec("INSERT INTO task_group (pulp_id, domain_id, pulp_created, pulp_last_updated, description) VALUES (?, 1, 1, 1, 'g')", group)
	exec("UPDATE task SET group_id = (SELECT id FROM task_group) WHERE pulp_id = ?", idOf(t, task))
	schedule := pulp.NewID()
	exec("INSERT INTO task_schedule (pulp_id, domain_id, pulp_created, pulp_last_updated, name, task_name, rhythm) VALUES (?, 1, 1, 1, 's', 'x', 'r')", schedule)
	w.keys["task-groups"], w.keys["task-schedules"] = group.String(), schedule.String()

	user, members := s.make(t, "users/", `{"username":"somebody"}`), s.make(t, "groups/", `{"name":"some"}`)
	keep(user)
	keep(members)
	keep(s.make(t, "roles/", `{"name":"custom","permissions":[]}`))
	require.Equal(t, http.StatusCreated, s.ask(t, "POST", members+"users/", `{"username":"somebody"}`).code)
	w.keys["groups/{pk}/users"] = strings.Split(user, "/")[5]
	for _, of := range []string{user, members} {
		href := s.make(t, of+"roles/", `{"role":"custom","content_object":null}`)
		w.keys[strings.Split(of, "/")[4]+"/{pk}/roles"] = strings.Split(href, "/")[7]
	}
	for path, body := range map[string]string{"shop/orders/": `{"name":"a"}`, "shop/buyers/": `{"email":"a@b.c"}`, "shop/coupons/": `{"code":"c","percent":1}`,
		"shop/parcels/": `{"number":"0194b8e9-5425-799b-ad0a-86c71e160158"}`} {
		keep(s.make(t, path, body))
	}
	made(s.ask(t, "POST", "shop/late-orders/", `{"name":"late"}`))
	made(s.ask(t, "POST", "shop/late-buyers/", `{"email":"a@b.c","city":"late"}`))

	s.make(t, "users/", `{"username":"nobody"}`)
	right := s.make(t, "users/", `{"username":"right"}`)
	w.role = s.make(t, "roles/", `{"name":"right","permissions":[]}`)
	s.make(t, right+"roles/", `{"role":"right","content_object":null}`)
	w.bodies["content_file_files_create"] = "repository=" + url.QueryEscape(repo)
	w.bodies["publications_file_file_create"] = `{"repository":"` + repo + `"}`
	return w
}

// ask calls an operation as a user; "" is nobody. It returns the code.
func (w *walk) call(t *testing.T, op *pulp.Operation, user string) int {
	t.Helper()
	path, collection := op.Path, op.Path
	for _, name := range []string{"{pk}", "{number}", "{nested_pk}"} {
		before, _, ok := strings.Cut(collection, "/"+name)
		if !ok {
			continue
		}
		key := w.keys[before]
		if name == "{number}" {
			key = "1"
		}
		require.NotEmpty(t, key, "no object for %s", before)
		path = strings.Replace(path, name, key, 1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, kind := w.bodies[op.ID], "application/json"
	if body == "" {
		body = "{}"
	}
	if op.Form {
		kind = "application/x-www-form-urlencoded"
	}
	r := httptest.NewRequestWithContext(ctx, op.Method, shopAPI+path, strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-User", user)
	rec := &cancelingRecorder{ResponseRecorder: httptest.NewRecorder(), cancel: cancel}
	func() {
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler { // a stream that was broken off
				panic(v)
			}
		}()
		w.byName.ServeHTTP(rec, r)
	}()
	return rec.Code
}

// A cancelingRecorder ends the request when its answer begins, so that streams end.
type cancelingRecorder struct {
	*httptest.ResponseRecorder
	cancel func()
}

func (r *cancelingRecorder) WriteHeader(code int) {
	r.cancel()
	r.ResponseRecorder.WriteHeader(code)
}

// may gives the user "right" some permissions on everything.
func (w *walk) may(t *testing.T, permissions []string) {
	t.Helper()
	require.NoError(t, w.Call(t.Context(), "PATCH", w.role, map[string]any{"permissions": permissions}, nil))
}

func TestEveryRouteLetsInThoseWithTheRightAlone(t *testing.T) {
	t.Parallel()
	w, needs := openWalk(t), needs(t)
	ops := slices.Clone(w.Operations())
	// What deletes comes last, what lies below something before it.
	slices.SortStableFunc(ops, func(x, y pulp.Operation) int {
		rank := func(op pulp.Operation) int {
			switch {
			case op.Method != "DELETE":
				return -100
			case strings.HasPrefix(op.Path, "publications"): // which go with their version
				return -99
			}
			return -strings.Count(op.Path, "/")
		}
		return rank(x) - rank(y)
	})
	refused := func(code int) bool { return code == http.StatusForbidden || code == http.StatusNotFound }
	for i := range ops {
		op := &ops[i]
		rights, ok := needs[op.ID]
		require.True(t, ok, "testdata/routes.txt says nothing of %s %s (%s)", op.Method, op.Path, op.ID)
		what := fmt.Sprintf("%s %s needs %v", op.Method, op.Path, rights)
		anybody, login, admin := rights[0] == "anybody", rights[0] == "login", rights[0] == "admin"

		w.may(t, []string{})
		if code := w.call(t, op, ""); anybody {
			require.Less(t, code, 400, "%s: nobody", what)
		} else {
			require.Equal(t, http.StatusUnauthorized, code, "%s: nobody", what)
		}
		if anybody || login {
			code := w.call(t, op, "nobody")
			require.False(t, refused(code) || code == 401 || code >= 500, "%s: %d", what, code)
			continue
		}
		require.True(t, refused(w.call(t, op, "nobody")), "%s: somebody without rights got in", what)
		for i := range rights {
			w.may(t, without(rights, i, admin))
			require.True(t, refused(w.call(t, op, "right")), "%s: got in with %v", what, without(rights, i, admin))
		}
		user := "right"
		if admin {
			user = "admin"
		}
		w.may(t, without(rights, -1, admin))
		code := w.call(t, op, user)
		require.False(t, refused(code) || code == 401 || code >= 500, "%s: refused to who has the right: %d", what, code)
		delete(needs, op.ID)
	}
	require.Less(t, len(needs), len(ops), "something was walked")
	for id := range needs {
		require.True(t, slices.ContainsFunc(ops, func(op pulp.Operation) bool { return op.ID == id }), "there is no operation %s any more", id)
	}
}

// without leaves one of some permissions out; none if i is negative. Superusers need none.
func without(permissions []string, i int, admin bool) []string {
	if admin {
		return []string{}
	}
	out := slices.Clone(permissions)
	if i >= 0 {
		out = slices.Delete(out, i, i+1)
	}
	return out
}

// idOf is the ID at the end of an href.
func idOf(t require.TestingT, href string) pulp.ID {
	parts := strings.Split(strings.Trim(href, "/"), "/")
	id, err := pulp.ParseID(parts[len(parts)-1])
	require.NoError(t, err)
	return id
}

// multipartOf is a form with a file.
func multipartOf(t *testing.T, fields map[string]string, data string) (kind, body string) {
	t.Helper()
	var b strings.Builder
	m := multipart.NewWriter(&b)
	for name, value := range fields {
		require.NoError(t, m.WriteField(name, value))
	}
	f, err := m.CreateFormFile("file", "file")
	require.NoError(t, err)
	_, err = f.Write([]byte(data))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	return m.FormDataContentType(), b.String()
}
