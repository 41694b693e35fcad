package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/sqlite"
)

const api = "/platform/pulp/api/v3/"

// with runs the service, and f against it.
func with(t *testing.T, f func(ctx context.Context, base string)) {
	t.Helper()
	err := run(t.Context(), io.Discard, "127.0.0.1:0", func(ctx context.Context, _ io.Writer, base string) error {
		f(ctx, base)
		return nil
	})
	require.NoError(t, err)
}

func TestTry(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "127.0.0.1:0", try))
	require.Equal(t, 6, strings.Count(out.String(), "  => "), out.String())
	for _, s := range []string{
		"=> 200 OK af85aac7", "=> 400 Bad Request machine: There is no such machine.", `"digest":"af85aac7`,
		`=> 201 Created {"pulp_href":"` + api + `ci/builds/`, `"arch":"arm64"`, `["ci.machine:amber","shared:pdrn:`,
	} {
		require.Contains(t, out.String(), s)
	}
}

func TestRefusedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	with(t, func(ctx context.Context, base string) {
		for path, code := range map[string]string{"/build": "400", api + "ci/builds/": "400"} {
			status, body, err := request(ctx, "POST", base+path, url.Values{"revision": {"x"}, "machine": {"chalk"}})
			require.NoError(t, err)
			require.Contains(t, status, code)
			require.Contains(t, body, "There is no such machine.")
		}
		for _, collection := range []string{"ci/builds/", "tasks/"} {
			require.Zero(t, count(t, ctx, base+api+collection))
		}
	})
}

func TestActionAnswersWithATask(t *testing.T) {
	t.Parallel()
	with(t, func(ctx context.Context, base string) {
		build := ask(t, ctx, "POST", base+api+"ci/builds/", url.Values{"revision": {"x"}, "machine": {"amber"}})
		answer := ask(t, ctx, "POST", base+build["pulp_href"].(string)+"rebuild/", url.Values{})
		require.Contains(t, answer["task"], api+"tasks/")
		require.Equal(t, 2, count(t, ctx, base+api+"tasks/?name=ci.compile"))
	})
}

// A struct with a primary key of its own, and nothing of package pulp in it, has the whole API.
func TestModelWithItsOwnKey(t *testing.T) {
	t.Parallel()
	with(t, func(ctx context.Context, base string) {
		machines := base + api + "ci/machines/"
		require.Equal(t, 2, count(t, ctx, machines))
		made := ask(t, ctx, "POST", machines, url.Values{"name": {"chalk"}, "arch": {"arm64"}})
		require.Equal(t, api+"ci/machines/chalk/", made["pulp_href"])
		chalk := base + made["pulp_href"].(string)
		require.Equal(t, "amd64", ask(t, ctx, "PATCH", chalk, url.Values{"arch": {"amd64"}})["arch"])
		require.Equal(t, "amd64", ask(t, ctx, "GET", chalk, nil)["arch"])

		status, body, err := request(ctx, "PATCH", chalk, url.Values{"arch": {"mips"}})
		require.NoError(t, err)
		require.Contains(t, status, "400", body)
		status, body, err = request(ctx, "POST", machines, url.Values{"name": {"chalk"}, "arch": {"arm64"}})
		require.NoError(t, err)
		require.Contains(t, status, "400", body)
		status, _, err = request(ctx, "GET", machines+"granite/", nil)
		require.NoError(t, err)
		require.Contains(t, status, "404")

		ask(t, ctx, "POST", base+api+"ci/builds/", url.Values{"revision": {"x"}, "machine": {"amber"}})
		status, body, err = request(ctx, "DELETE", machines+"amber/", nil)
		require.NoError(t, err)
		require.Contains(t, status, "409", body)
		status, body, err = request(ctx, "DELETE", chalk, nil)
		require.NoError(t, err)
		require.Contains(t, status, "204", body)
		require.Equal(t, 2, count(t, ctx, machines))
	})
}

// A counter is another row of a host.
type counter struct {
	bun.BaseModel `bun:"table:counter,alias:c"`
	ID            int64 `bun:"id,pk,autoincrement" json:"id" pulp:"readonly"`
	Value         int64 `bun:"value" json:"value"`
}

// Writes of the host's models may be tasks as well.
func TestAsyncViewSets(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.TempDir())
	require.NoError(t, err)
	_, err = db.Writer().NewCreateTable().Model((*counter)(nil)).Exec(t.Context())
	require.NoError(t, err)
	app, err := pulp.Open(t.Context(), db, pulp.Config{Parts: []pulp.Part{
		&pulp.ViewSet[counter]{Path: "test/counters", Async: pulp.Create | pulp.Update | pulp.Delete},
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })

	for _, step := range []struct {
		method, path string
		body         any
		count        int
	}{
		{"POST", "test/counters/", map[string]any{"value": 1}, 1},
		{"PATCH", "test/counters/1/", map[string]any{"value": 2}, 1},
		{"DELETE", "test/counters/1/", nil, 0},
	} {
		var accepted struct{ Task string }
		require.NoError(t, app.Call(t.Context(), step.method, step.path, step.body, &accepted))
		var task struct {
			State string
			Error any
		}
		require.NoError(t, app.Call(t.Context(), "GET", accepted.Task, nil, &task))
		require.Equal(t, "completed", task.State, "%v", task.Error)
		var page struct {
			Count   int
			Results []counter
		}
		require.NoError(t, app.Call(t.Context(), "GET", "test/counters/", nil, &page))
		require.Equal(t, step.count, page.Count)
		if step.method == "PATCH" {
			require.Equal(t, int64(2), page.Results[0].Value)
		}
	}
}

func ask(t *testing.T, ctx context.Context, method, url string, form url.Values) map[string]any {
	t.Helper()
	status, body, err := request(ctx, method, url, form)
	require.NoError(t, err)
	require.Equal(t, "2", status[:1], "%s %s: %s %s", method, url, status, body)
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &object))
	return object
}

func count(t *testing.T, ctx context.Context, url string) int {
	t.Helper()
	return int(ask(t, ctx, http.MethodGet, url, nil)["count"].(float64))
}
