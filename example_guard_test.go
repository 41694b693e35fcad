package pulp_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

// A Network is what the guards of the next example have beyond any other.
type Network struct {
	Prefix string `json:"prefix" validate:"required" doc:"How addresses begin that may have the content."`
}

// A plugin's guard decides by what it sees of a request; here a header that a proxy sets.
func ExampleGuardType() {
	networks := &pulp.GuardType[Network]{
		Name: "network",
		Permit: func(_ context.Context, g *pulp.Guard[Network], r *pulp.ContentRequest) error {
			if !strings.HasPrefix(r.Header("X-Real-Ip"), g.Detail.Prefix) {
				return pulp.Deny("%s is for the house only.", r.BasePath)
			}
			return nil
		},
	}
	dir, err := os.MkdirTemp("", "guarded")
	check(err)
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	check(err)
	ctx := context.Background()
	app, err := pulp.Open(ctx, db, pulp.Config{Plugins: []pulp.Plugin{file.Plugin(), {Name: "house", Version: "1.0.0", Parts: []pulp.Part{networks}}}, Logger: slog.New(slog.DiscardHandler)})
	check(err)
	defer app.Close()

	var guard struct {
		Href string `json:"pulp_href"`
	}
	check(app.Call(ctx, "POST", "contentguards/house/network/", map[string]any{"name": "lan", "prefix": "192.0.2."}, &guard))
	check(app.Call(ctx, "POST", "distributions/file/file/", map[string]any{"name": "d", "base_path": "internal/files", "content_guard": guard.Href}, nil))
	for _, from := range []string{"198.51.100.1", "192.0.2.1"} {
		r := httptest.NewRequest("GET", "/pulp/content/internal/files/", nil)
		r.Header.Set("X-Real-Ip", from)
		w := httptest.NewRecorder()
		httpapi.Handler(app).ServeHTTP(w, r)
		fmt.Print(w.Body)
	}
	// Output:
	// 403: internal/files is for the house only.
	// 404: Distribution is not pointing to a publication, repository, repository version, or remote.
}
