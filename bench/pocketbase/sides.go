package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"
	"github.com/uptrace/bun"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/sqlite"
)

// A Repository is a row of the collection. Its Base has an id, an owner and times.
type Repository struct {
	bun.BaseModel `bun:"table:bench_repository,alias:br"`
	pulp.Base
	pulp.Named
	Description        *string `bun:"description" json:"description"`
	RetainRepoVersions *int64  `bun:"retain_repo_versions" json:"retain_repo_versions"`
	Latest             int64   `bun:"latest" json:"latest" default:"0"`
	Remote             *string `bun:"remote" json:"remote"`
	Autopublish        bool    `bun:"autopublish" json:"autopublish" default:"false"`
	Manifest           *string `bun:"manifest" json:"manifest"`
}

const tableSQL = `CREATE TABLE bench_repository (id INTEGER PRIMARY KEY AUTOINCREMENT, pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain (id), created_by INTEGER REFERENCES account (id) ON DELETE SET NULL, pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL, name TEXT NOT NULL UNIQUE, pulp_labels TEXT NOT NULL, description TEXT, retain_repo_versions INTEGER,
  latest INTEGER NOT NULL, remote TEXT, autopublish INTEGER NOT NULL, manifest TEXT)`

// openPulp serves a collection of a host's own, as PocketBase does: file repositories have versions
// and owners beside their rows, and change in tasks.
func openPulp() (*side, error) {
	dir, err := os.MkdirTemp("", "pulp")
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Normal), sqlite.Logger(quiet))
	if err != nil {
		return nil, err
	}
	if _, err := db.Writer().Exec(tableSQL); err != nil {
		return nil, err
	}
	views := &pulp.ViewSet[Repository]{Path: "bench/repositories", Access: pulp.AdminOnly}
	app, err := pulp.Open(context.Background(), db, pulp.Config{Parts: []pulp.Part{views}, AdminPassword: "secret", Logger: quiet})
	if err != nil {
		return nil, err
	}
	path := app.APIPath() + "bench/repositories/"
	return &side{
		handler: httpapi.Handler(app), authorization: basic("admin", "secret"), path: path, list: path + "?limit=100",
		created: http.StatusCreated, changed: http.StatusOK,
		close: func() { app.Close(); os.RemoveAll(dir) },
	}, nil
}

// openPocketBase serves a collection with the same fields.
func openPocketBase() (*side, error) {
	dir, err := os.MkdirTemp("", "pocketbase")
	if err != nil {
		return nil, err
	}
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir})
	if err := app.Bootstrap(); err != nil {
		return nil, err
	}
	if err := app.RunAllMigrations(); err != nil {
		return nil, err
	}
	app.Settings().Logs.MaxDays = 0
	if err := app.Save(app.Settings()); err != nil {
		return nil, err
	}
	c := core.NewBaseCollection("repositories")
	c.Fields.Add(&core.TextField{Name: "name", Required: true}, &core.TextField{Name: "description"}, &core.JSONField{Name: "pulp_labels"},
		&core.NumberField{Name: "retain_repo_versions"}, &core.NumberField{Name: "latest"}, &core.TextField{Name: "remote"},
		&core.BoolField{Name: "autopublish"}, &core.TextField{Name: "manifest"},
		&core.AutodateField{Name: "created", OnCreate: true}, &core.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true})
	c.AddIndex("repositories_name", true, "name", "")
	if err := app.Save(c); err != nil {
		return nil, err
	}
	token, err := superuser(app)
	if err != nil {
		return nil, err
	}
	router, err := apis.NewRouter(app)
	if err != nil {
		return nil, err
	}
	mux, err := router.BuildMux()
	if err != nil {
		return nil, err
	}
	path := "/api/collections/repositories/records"
	return &side{
		handler: mux, authorization: token, path: path, list: path + "?perPage=100&sort=-@rowid",
		created: http.StatusOK, changed: http.StatusOK,
		close: func() { app.ResetBootstrapState(); os.RemoveAll(dir) },
	}, nil
}

func superuser(app core.App) (token string, err error) {
	superusers, err := app.FindCollectionByNameOrId(core.CollectionNameSuperusers)
	if err != nil {
		return "", err
	}
	user := core.NewRecord(superusers)
	user.SetEmail("admin@example.org")
	user.SetPassword("a long enough secret")
	if err := app.Save(user); err != nil {
		return "", err
	}
	return user.NewStaticAuthToken(time.Hour)
}

// hrefOf is the path of the object in an answer.
func hrefOf(path string, body []byte) (string, error) {
	var o struct {
		Href string `json:"pulp_href"`
		ID   string `json:"id"`
	}
	err := json.Unmarshal(body, &o)
	if o.Href == "" {
		o.Href = path + "/" + o.ID
	}
	return o.Href, err
}
