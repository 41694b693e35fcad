package pulp_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/internal/password"
	"github.com/gopulp/pulp/sqlite"
)

// What the benchmarks of the API are measured against: net/http, database/sql with prepared
// statements and encoding/json, written by hand for one collection, on the App's own tables. It
// reads and writes the rows that the App does, and checks credentials as the App does.

const floorColumns = `id, pulp_id, pulp_created, pulp_last_updated, name, pulp_labels, description, retain_repo_versions, retain_checkpoints, remote_id, latest, last_sync, detail`

var floorTexts = map[string]string{
	"account":  `SELECT id, username, coalesce(password, ''), is_superuser, is_active FROM account WHERE username = ?`,
	"count":    `SELECT count(*) FROM repository WHERE pulp_type = ?`,
	"page":     `SELECT ` + floorColumns + ` FROM repository WHERE pulp_type = ? ORDER BY id DESC LIMIT ? OFFSET ?`,
	"one":      `SELECT ` + floorColumns + ` FROM repository WHERE pulp_type = ? AND pulp_id = ?`,
	"remotes":  `SELECT id, pulp_id FROM remote WHERE id IN (SELECT value FROM json_each(?))`,
	"reserved": `SELECT EXISTS (SELECT 1 FROM reservation WHERE resource = ?)`,
}

var floorWrites = map[string]string{
	"repository": `INSERT INTO repository (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, pulp_type, name, pulp_labels, description, detail)
VALUES (?1, 1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, '{"autopublish":false,"manifest":"PULP_MANIFEST"}') RETURNING id`,
	"role": `INSERT INTO role_assignment (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, account_id, role_id, kind, object_id)
SELECT ?1, 1, ?2, ?3, ?3, ?2, id, 'repository', ?4 FROM role WHERE name = 'file.filerepository_owner'`,
	"version": `INSERT INTO repository_version (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, repository_id, number, complete)
VALUES (?1, 1, ?2, ?3, ?3, ?4, 0, 1)`,
	"task": `INSERT INTO task (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, name, state, logging_cid, unblocked_at, started_at, finished_at,
  attempt, exclusive, shared, record, args, result) VALUES (?1, 1, ?2, ?3, ?3, 'pulpcore.app.tasks.base.ageneral_update', 'completed', ?4, ?3, ?3, ?3, 1, ?5, '[]', ?5, ?6, '{}')`,
	"update":   `UPDATE repository SET description = ?, pulp_last_updated = ? WHERE id = ?`,
	"one":      floorTexts["one"],
	"reserved": floorTexts["reserved"],
}

// A floorRepository is a repository in an answer.
type floorRepository struct {
	Href        string             `json:"pulp_href"`
	PRN         string             `json:"prn"`
	Created     pulp.Time          `json:"pulp_created"`
	Updated     pulp.Time          `json:"pulp_last_updated"`
	Name        string             `json:"name"`
	Labels      map[string]*string `json:"pulp_labels"`
	Description *string            `json:"description"`
	Retain      *int64             `json:"retain_repo_versions"`
	Checkpoints *int64             `json:"retain_checkpoints"`
	Remote      *string            `json:"remote"`
	Versions    string             `json:"versions_href"`
	Latest      string             `json:"latest_version_href"`
	LastSync    json.RawMessage    `json:"last_sync_details"`
	floorDetail

	id       int64
	remoteID *int64
}

type floorDetail struct {
	Autopublish bool    `json:"autopublish"`
	Manifest    *string `json:"manifest"`
}

type floor struct {
	*http.ServeMux
	reads, writes map[string]*sql.Stmt
	write         *sql.DB
	typ           int64
	key           []byte
	mu            sync.Mutex
	right         map[[sha256.Size]byte]bool
}

func newFloor(tb testing.TB, path string, synchronous sqlite.Sync) *floor {
	dsn := "file:" + path + "?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=temp_store(MEMORY)&_pragma=busy_timeout(5000)&_pragma=synchronous(" + string(synchronous) + ")"
	open := func(texts map[string]string, connections int) (*sql.DB, map[string]*sql.Stmt) {
		db, err := sql.Open("sqlite", dsn)
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, db.Close()) })
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		prepared := map[string]*sql.Stmt{}
		for name, text := range texts {
			prepared[name], err = db.Prepare(text)
			require.NoError(tb, err)
		}
		return db, prepared
	}
	f := &floor{ServeMux: http.NewServeMux(), key: []byte("some key"), right: map[[sha256.Size]byte]bool{}}
	f.write, f.writes = open(floorWrites, 1)
	require.NoError(tb, f.write.QueryRow("SELECT id FROM type WHERE kind = 'repository' AND name = 'file.file'").Scan(&f.typ))
	_, f.reads = open(floorTexts, 4)
	f.handle("GET "+benchPath, f.list)
	f.handle("GET "+benchPath+"{pk}/", f.read)
	f.handle("POST "+benchPath, f.create)
	f.handle("PATCH "+benchPath+"{pk}/", f.patch)
	return f
}

var errFloorLogin = errors.New("wrong login")

func (f *floor) handle(pattern string, do func(r *http.Request, account int64) (int, any, error)) {
	f.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		code, answer := 0, any(nil)
		account, err := f.login(r)
		if err == nil {
			code, answer, err = do(r, account)
		}
		if err == nil {
			body, err = json.Marshal(answer)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(code)
		w.Write(body)
	})
}

// login reads the account, and compares the password's slow hash the first time only.
func (f *floor) login(r *http.Request) (id int64, err error) {
	name, pass, _ := r.BasicAuth()
	var hash string
	var superuser, active bool
	if err := f.reads["account"].QueryRowContext(r.Context(), name).Scan(&id, &name, &hash, &superuser, &active); err != nil {
		return 0, err
	}
	h := hmac.New(sha256.New, f.key)
	for _, s := range []string{name, pass, hash} {
		fmt.Fprintf(h, "%d %s", len(s), s)
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	f.mu.Lock()
	known := f.right[sum]
	f.mu.Unlock()
	if known {
		return id, nil
	}
	if ok, err := password.Fits(hash, pass); err != nil || !ok || !active || !superuser {
		return 0, errors.Join(errFloorLogin, err)
	}
	f.mu.Lock()
	f.right[sum] = true
	f.mu.Unlock()
	return id, nil
}

func (f *floor) scan(row interface{ Scan(...any) error }) (*floorRepository, error) {
	var o floorRepository
	var id pulp.ID
	var labels, detail string
	var latest int64
	var sync []byte
	if err := row.Scan(&o.id, &id, &o.Created, &o.Updated, &o.Name, &labels, &o.Description, &o.Retain, &o.Checkpoints, &o.remoteID, &latest, &sync, &detail); err != nil {
		return nil, err
	}
	o.Href, o.PRN, o.LastSync = benchPath+id.String()+"/", "prn:file.filerepository:"+id.String(), sync
	o.Versions = o.Href + "versions/"
	o.Latest = o.Versions + strconv.FormatInt(latest, 10) + "/"
	return &o, errors.Join(json.Unmarshal([]byte(labels), &o.Labels), json.Unmarshal([]byte(detail), &o.floorDetail))
}

// link finds the hrefs of the remotes of repositories.
func (f *floor) link(ctx context.Context, all ...*floorRepository) error {
	ids := []int64{}
	for _, o := range all {
		if o.remoteID != nil {
			ids = append(ids, *o.remoteID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	rows, err := f.reads["remotes"].QueryContext(ctx, string(text))
	if err != nil {
		return err
	}
	defer rows.Close()
	hrefs := map[int64]string{}
	for rows.Next() {
		var n int64
		var id pulp.ID
		if err := rows.Scan(&n, &id); err != nil {
			return err
		}
		hrefs[n] = shopAPI + "remotes/file/file/" + id.String() + "/"
	}
	for _, o := range all {
		if o.remoteID != nil {
			href := hrefs[*o.remoteID]
			o.Remote = &href
		}
	}
	return rows.Err()
}

func floorNow() int64 { return time.Now().UnixMicro() }
