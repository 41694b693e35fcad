package pulp_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// counted is a database whose reading statements are counted.
type counted struct {
	*sqlite.DB
	reader *bun.DB
	n      *atomic.Int64
}

func (c *counted) Reader() *bun.DB { return c.reader }

// counting lends the connections of a pool to another one, and counts.
type counting struct {
	pool   *sql.DB
	n      *atomic.Int64
	before func(query string) // nil for nothing
}

func (c *counting) Driver() driver.Driver { return nil }

func (c *counting) Connect(ctx context.Context) (driver.Conn, error) {
	lent, err := c.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	out := &countingConn{lent: lent, n: c.n, before: c.before}
	return out, lent.Raw(func(inner any) error {
		out.Conn = inner.(driver.Conn)
		return nil
	})
}

type countingConn struct {
	driver.Conn
	lent   *sql.Conn
	n      *atomic.Int64
	before func(query string)
}

func (c *countingConn) Close() error { return c.lent.Close() }

func (c *countingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c *countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.n.Add(1)
	if c.before != nil {
		c.before(query)
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// openCounted opens an App with the file plugin and the shop, whose tasks run in the test.
func openCounted(t *testing.T) (*shop, *atomic.Int64) {
	t.Helper()
	return openCountedIn(t, t.TempDir())
}

func openCountedIn(t *testing.T, dir string) (*shop, *atomic.Int64) {
	t.Helper()
	return openWatched(t, dir, nil)
}

// openWatched calls before with each reading statement.
func openWatched(t *testing.T, dir string, before func(query string)) (*shop, *atomic.Int64) {
	t.Helper()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off))
	require.NoError(t, err)
	_, err = db.Writer().DB.ExecContext(t.Context(), shopSchema)
	require.NoError(t, err)
	c := &counted{DB: db, n: &atomic.Int64{}}
	c.reader = bun.NewDB(sql.OpenDB(&counting{db.Reader().DB, c.n, before}), sqlitedialect.New())
	c.reader.DB.SetMaxOpenConns(1)
	app, err := pulp.Open(t.Context(), c, pulp.Config{AdminPassword: "secret", Workers: -1, Parts: shopParts, Plugins: []pulp.Plugin{file.Plugin()}})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.reader.Close())
		require.NoError(t, app.Close())
	})
	// Who asks is known without a query.
	known := func(r *http.Request) (pulp.Caller, error) {
		if r.Header.Get("X-User") != "" {
			second := int64(2)
			return pulp.Caller{Username: r.Header.Get("X-User"), AccountID: &second}, nil
		}
		return pulp.Caller{Username: "admin", Superuser: true}, nil
	}
	return &shop{App: app, Handler: httpapi.Handler(app, httpapi.Authenticators(known))}, c.n
}

const fillSQL = `
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT INTO %s SELECT %s FROM n;`

// fillTables writes 60 rows of every kind, each with all that it can refer to.
func fillTables(t *testing.T, s *shop) {
	t.Helper()
	typ := func(kind string) string {
		return "(SELECT id FROM type WHERE kind = '" + kind + "' AND name = 'file.file')"
	}
	guard := func(name string) string {
		return "(SELECT id FROM type WHERE kind = 'guard' AND name = 'core." + name + "')"
	}
	const base = "pulp_id, domain_id, created_by, pulp_created, pulp_last_updated"
	const values = "randomblob(16), 1, 1, i * 1000000, i * 1000000"
	for _, f := range [][2]string{
		{"account (username, date_joined)", "'u' || i, i"},
		{"account_group (name)", "'g' || i"},
		{"access_policy (" + base + ", viewset_name, statements, creation_hooks, queryset_scoping)", values + ", 'x' || i, '[]', '[]', '{}'"},
		{"account_group_member (account_id, group_id)", "i, 1"},
		{"role (" + base + ", name, permissions)", values + `, 'r' || i, '["core.view_task"]'`},
		{"role_assignment (" + base + ", account_id, role_id, kind, object_id)", values + ", 3, (SELECT id FROM role WHERE name = 'r' || i), 'repository', i"},
		{"role_assignment (" + base + ", group_id, role_id, kind, object_id)", values + ", 1, (SELECT id FROM role WHERE name = 'r' || i), '/shop/buyers', i"},
		{"artifact (" + base + ", size, sha256, touched)", values + ", i, printf('%064x', i), 0"},
		{"upload (" + base + ", size)", values + ", i"},
		{"upload_chunk (upload_id, start, size, sha256)", "i, 0, i, 'x'"},
		{"remote (" + base + ", pulp_type, name, url, policy, tls_validation)", values + ", " + typ("remote") + ", 'r' || i, 'http://x', 'immediate', 1"},
		{"repository (" + base + ", pulp_type, name, remote_id)", values + ", " + typ("repository") + ", 'r' || i, i"},
		{"repository_version (" + base + ", repository_id, number, complete)", values + ", i, 0, 1"},
		{"repository_version (" + base + ", repository_id, number, complete, base_version_id)", values + ", 1, i, 1, i"},
		{"version_count (version_id, what, pulp_type, count)", "i, 'P', " + typ("content") + ", i"},
		{"content (" + base + ", pulp_type, key, slot, touched, detail)", values + ", " + typ("content") + `, randomblob(16), randomblob(16), 0, '{"relative_path":"f","digest":"d"}'`},
		{"content_artifact (content_id, artifact_id, relative_path)", "i, i, 'f' || i"},
		{"publisher (" + base + ", pulp_type, name)", values + ", " + typ("publisher") + ", 'p' || i"},
		{"publication (" + base + ", pulp_type, version_id, publisher_id, complete)", values + ", " + typ("publication") + ", i, i, 1"},
		{"guard (" + base + ", pulp_type, name, detail)", values + ", " + guard("header") + `, 'h' || i, '{"header_name":"h","header_value":"v"}'`},
		{"guard (" + base + ", pulp_type, name, detail)", values + ", " + guard("composite") + ", 'gc' || i, json_object('guards', json_array(i, i % 7 + 1))"},
		{"guard (" + base + ", pulp_type, name, detail)", values + ", " + guard("content_redirect") + `, 'r' || i, '{"key":"k"}'`},
		{"guard (" + base + ", pulp_type, name)", values + ", " + guard("rbac") + ", 'b' || i"},
		{"distribution (" + base + ", pulp_type, name, base_path, publication_id, guard_id)", values + ", " + typ("distribution") + ", 'd' || i, 'd' || i, i, i"},
		{"task (" + base + ", name, state, parent_id, exclusive, shared, record, args, finished_at)", values + `, 'x', 'completed', i, '[]', '[]', '["prn"]', x'', 1`},
		{"progress_report (task_id, code, message, state, done, position)", "i, 'c', 'm', 'completed', 1, 0"},
		{"created_resource (task_id, position, kind, object_id)", "i, 0, 'repository', i"},
		{"task_group (" + base + ", description)", values + ", 'g' || i"},
		{"task_schedule (pulp_id, domain_id, pulp_created, pulp_last_updated, name, task_name, rhythm, last_task_id)", "randomblob(16), 1, 1, 1, 's' || i, 'x', 'r', i"},
		{"worker (pulp_id, name, pulp_created, pulp_last_updated, last_heartbeat)", "randomblob(16), 'w' || i, 1, 1, 1"},
		{"signing_service (pulp_id, name, public_key, pubkey_fingerprint, script, offered, pulp_created, pulp_last_updated)", "randomblob(16), 's' || i, 'k', 'f', '', 1, 1, 1"},
		{"shop_buyer (email, city, street)", "'a' || i || '@b.c', 'c' || i, 's'"},
		{"shop_order (" + base + ", name, state, raw, amount, small, gift, buyer_id, remote_id)", values + ", 'o' || i, 'new', '', 1, 1, 0, i, i"},
		{"shop_coupon (code, percent)", "'c' || i, i"},
		{"shop_parcel (number, weight)", "'0194b8e9-5425-799b-ad0a-86c71e16' || printf('%04d', i), i"},
	} {
		_, err := s.DB().Writer().DB.ExecContext(t.Context(), fmt.Sprintf(fillSQL, f[0], f[1]))
		require.NoError(t, err, f[0])
	}
}

func TestListCostsTheSameStatementsForOneObjectAndForFifty(t *testing.T) {
	t.Parallel()
	s, n := openCounted(t)
	fillTables(t, s)
	fillRoles(t, s)
	keys := keysOf(t, s)
	cost := func(path, user string, limit int) int64 {
		before := n.Load()
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", fmt.Sprintf("%s%s?limit=%d", shopAPI, path, limit), nil)
		r.Header.Set("X-User", user)
		s.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
		require.Len(t, reply{w.Code, w.Body.String()}.object(t)["results"], limit, path)
		return n.Load() - before
	}
	lists := 0
	for _, op := range s.Operations() {
		if !op.Many {
			continue
		}
		lists++
		path := strings.NewReplacer("{pk}", keys[strings.Split(op.Path, "/")[0]]).Replace(op.Path)
		cost(path, "", 1) // the policies are read once
		one, fifty := cost(path, "", 1), cost(path, "", 50)
		assert.Equal(t, one, fifty, path)
		assert.LessOrEqual(t, fifty, int64(12), path)
		if op.Path == "artifacts/" || strings.Contains(path, "/coupons/") || strings.Contains(path, "/parcels/") {
			continue // for superusers, or by roles on everything alone
		}
		cost(path, "user", 1)
		one, many := cost(path, "user", 1), cost(path, "user", 50)
		assert.Equal(t, one, many, "%s by somebody with roles on the objects", path)
		nested := int64(0)
		if strings.Contains(op.Path, "{pk}") {
			nested = 3 // what lies above: where it is, whether it can be seen, what may be done there
		}
		assert.LessOrEqual(t, many, fifty+1+nested, "%s: roles cost one statement", path)
	}
	require.Greater(t, lists, 20)
}

// keysOf are the path variables of the first objects below which collections lie.
func keysOf(t *testing.T, s *shop) map[string]string {
	t.Helper()
	var repository pulp.ID
	require.NoError(t, s.DB().Writer().DB.QueryRowContext(t.Context(), "SELECT pulp_id FROM repository WHERE id = 1").Scan(&repository))
	return map[string]string{"repositories": repository.String(), "users": "3", "groups": "1"}
}

// fillRoles gives account 2 a role on each of the first 60 rows of every kind.
func fillRoles(t *testing.T, s *shop) {
	t.Helper()
	const viewer = `INSERT INTO role (pulp_id, domain_id, pulp_created, pulp_last_updated, name, permissions)
		SELECT randomblob(16), 1, 1, 1, 'viewer', json_group_array(DISTINCT permission) FROM (SELECT permission FROM role_permission UNION SELECT 'auth.view_user') WHERE permission LIKE '%view%'`
	_, err := s.DB().Writer().DB.ExecContext(t.Context(), viewer+`; UPDATE task SET group_id = id, parent_id = NULL;
		INSERT INTO repository_content (repository_id, content_id, slot, added) SELECT id, id, randomblob(16), 0 FROM content`)
	require.NoError(t, err)
	const base = "pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, account_id, role_id"
	values := "randomblob(16), 1, 1, 1, 1, 2, (SELECT id FROM role WHERE name = 'viewer')"
	for _, kind := range []string{"upload", "remote", "repository", "publisher", "publication", "distribution", "task", "task_schedule", "account", "account_group",
		"/shop/orders", "/shop/late-orders", "/shop/buyers", "/shop/late-buyers"} {
		_, err := s.DB().Writer().DB.ExecContext(t.Context(), fmt.Sprintf(fillSQL, "role_assignment ("+base+", kind, object_id)", values+", '"+kind+"', i"))
		require.NoError(t, err, kind)
	}
	for _, skip := range []string{"0", "60", "120", "180"} { // the guards of all types are rows of one table
		_, err := s.DB().Writer().DB.ExecContext(t.Context(), fmt.Sprintf(fillSQL, "role_assignment ("+base+", kind, object_id)", values+", 'guard', i + "+skip))
		require.NoError(t, err)
	}
}

func TestEveryOrderOfEveryListWorks(t *testing.T) {
	t.Parallel()
	s, _ := openCounted(t)
	fillTables(t, s)
	keys := keysOf(t, s)
	orders := 0
	for _, op := range s.Operations() {
		for _, p := range op.Query {
			if p.Name != "ordering" {
				continue
			}
			for _, order := range p.Value.Items.Enum {
				path := strings.Replace(op.Path, "{pk}", keys[strings.Split(op.Path, "/")[0]], 1)
				require.Equal(t, http.StatusOK, s.ask(t, "GET", path+"?limit=2&ordering="+order, "").code, "%s %s", path, order)
				orders++
			}
		}
	}
	require.Greater(t, orders, 200)
}
