package pulp_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

func openFiles(dir string) (*pulp.App, error) {
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	if err != nil {
		return nil, err
	}
	return pulp.Open(context.Background(), db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin()}})
}

// A host makes the repositories that it needs at its start, unless they are there.
func ExampleApp_Call() {
	dir, err := os.MkdirTemp("", "pulp")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	app, err := openFiles(dir)
	if err != nil {
		panic(err)
	}
	defer app.Close()
	ctx := context.Background()

	type repository struct {
		Href string `json:"pulp_href,omitempty"`
		Name string `json:"name"`
	}
	var found struct{ Results []repository }
	if err := app.Call(ctx, "GET", "repositories/file/file/?name=firmware", nil, &found); err != nil {
		panic(err)
	}
	if len(found.Results) == 0 {
		var made repository
		if err := app.Call(ctx, "POST", "repositories/file/file/", repository{Name: "firmware"}, &made); err != nil {
			panic(err)
		}
		fmt.Println("made", made.Name)
	}
	err = app.Call(ctx, "POST", "repositories/file/file/", repository{Name: "firmware"}, nil)
	fmt.Println(err)
	// Output:
	// made firmware
	// POST repositories/file/file/: name: This field must be unique.
}

func TestCall(t *testing.T) {
	t.Parallel()
	app, err := openFiles(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, app.Close()) })
	ctx := t.Context()
	var repo struct {
		Href   string `json:"pulp_href"`
		Latest string `json:"latest_version_href"`
	}
	require.NoError(t, app.Call(ctx, "POST", "repositories/file/file/", map[string]any{"name": "a"}, &repo))

	t.Run("takes hrefs", func(t *testing.T) {
		var version struct{ Number int }
		require.NoError(t, app.Call(ctx, "GET", repo.Latest, nil, &version))
		require.Zero(t, version.Number)
	})
	t.Run("takes hrefs below a host's prefix", func(t *testing.T) {
		ctx := pulp.WithPrefix(ctx, "/mirror")
		require.NoError(t, app.Call(ctx, "GET", "/mirror"+repo.Href, nil, nil))
	})
	t.Run("answers with the task of what a task does", func(t *testing.T) {
		var answer, task struct{ Task, State string }
		require.NoError(t, app.Call(ctx, "POST", "distributions/file/file/", map[string]any{"name": "d", "base_path": "d"}, &answer))
		require.NoError(t, app.Call(ctx, "GET", answer.Task, nil, &task))
		require.Equal(t, "completed", task.State)
	})
	t.Run("says what is wrong", func(t *testing.T) {
		var fields pulp.FieldErrors
		require.ErrorAs(t, app.Call(ctx, "POST", "remotes/file/file/", map[string]any{"name": "r"}, nil), &fields)
		require.Contains(t, fields, "url")
		require.ErrorIs(t, app.Call(ctx, "GET", repo.Href+"nothing/", nil, nil), pulp.ErrNotFound)
		require.ErrorIs(t, app.Call(ctx, "GET", "repositories/file/file//", nil, nil), pulp.ErrNotFound)
		var input *pulp.InputError
		require.ErrorAs(t, app.Call(ctx, "POST", "repositories/file/file/", []string{"a"}, nil), &input)
	})
	t.Run("does not write inside a transaction", func(t *testing.T) {
		err := app.Tx(ctx, func(ctx context.Context, _ bun.Tx) error {
			return app.Call(ctx, "POST", "repositories/file/file/", map[string]any{"name": "b"}, nil)
		})
		require.ErrorIs(t, err, pulp.ErrNestedTx)
	})
	t.Run("acts for its caller", func(t *testing.T) {
		ctx := pulp.WithCaller(ctx, pulp.Caller{CorrelationID: "from-go"})
		var answer, task struct {
			Task string
			CID  string `json:"logging_cid"`
		}
		require.NoError(t, app.Call(ctx, "POST", "distributions/file/file/", map[string]any{"name": "e", "base_path": "e"}, &answer))
		require.NoError(t, app.Call(ctx, "GET", answer.Task, nil, &task))
		require.Equal(t, "from-go", task.CID)
	})
}
