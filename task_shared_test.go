package pulp_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/gopulp/pulp"
	"github.com/gopulp/pulp/httpapi"
	"github.com/gopulp/pulp/plugins/file"
	"github.com/gopulp/pulp/sqlite"
)

// shareTasks opens an App on a directory that others share. What is true of processes is true of
// several databases that one process has open, except that one cannot stop them.
func shareTasks(t testing.TB, dir string, cfg pulp.Config) *taskHost {
	t.Helper()
	db, err := sqlite.Open(dir, sqlite.Synchronous(sqlite.Off), sqlite.Shared())
	require.NoError(t, err)
	return hostOn(t, db, cfg)
}

func TestTaskRunsInAnotherProcess(t *testing.T) {
	t.Parallel()
	task, dir := double(), t.TempDir()
	one := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	other := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{double()}, Workers: 2})
	early := dispatch(one, task, 21)
	other.run()
	for _, ticket := range []*pulp.Ticket[int]{early, dispatch(one, task, 21), dispatch(one, task, 21, pulp.After(time.Millisecond))} {
		n, err := wait(t, ticket)
		require.NoError(t, err)
		require.Equal(t, 42, n)
	}
	require.Equal(t, 1, one.count("SELECT count(DISTINCT worker_id) FROM task"))
}

func TestTaskIsCanceledByAnotherProcess(t *testing.T) {
	t.Parallel()
	s, dir := newStage(), t.TempDir()
	one := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{s.task}, Workers: 2})
	other := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{newStage().task}, Workers: -1})
	one.run()
	ticket := dispatch(one, s.task, "a")
	receive(t, s.started)
	require.NoError(t, other.Cancel(t.Context(), ticket.ID))
	_, err := wait(t, ticket)
	require.ErrorIs(t, err, pulp.ErrCanceled, "its context ended, else it would wait for ever")
}

func TestTypeIsPausedForAllProcesses(t *testing.T) {
	t.Parallel()
	task, dir := double(), t.TempDir()
	one := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{task}, Workers: -1})
	other := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{double()}, Workers: 2})
	other.run()
	require.NoError(t, one.Pause(t.Context(), "double"))
	ticket := dispatch(one, task, 1)
	require.Eventually(t, func() bool { return one.count("SELECT count(*) FROM goqite") == 0 }, patience, tick, "the other one looked")
	require.Equal(t, pulp.Waiting, one.row(ticket.ID).State)
	require.NoError(t, one.Resume(t.Context(), "double"))
	_, err := wait(t, ticket)
	require.NoError(t, err)
}

func TestAllProcessesOpenANewDirectoryAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	var mu sync.Mutex
	var apps []*pulp.App
	for range 6 {
		all.Go(func() {
			db, err := sqlite.Open(dir, sqlite.Shared(), sqlite.Synchronous(sqlite.Off))
			if !assertNo(t, err) {
				return
			}
			app, err := pulp.Open(context.Background(), db, pulp.Config{Workers: -1, Plugins: []pulp.Plugin{file.Plugin()}})
			if !assertNo(t, err) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			apps = append(apps, app)
		})
	}
	all.Wait()
	require.Len(t, apps, 6)
	passwords := map[string]bool{}
	for _, app := range apps {
		if p := app.NewAdminPassword(); p != "" {
			passwords[p] = true
		}
	}
	require.Len(t, passwords, 1, "one of them made it up")
	for _, app := range apps {
		for p := range passwords {
			_, err := app.Authenticate(t.Context(), "admin", p)
			require.NoError(t, err)
		}
	}
	for _, app := range apps {
		require.NoError(t, app.Close())
	}
}

func assertNo(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func TestOpenTouchesNothingThatAnotherProcessIsAtWorkOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	work := make(chan string, 1)
	s := &pulp.Task[string, string]{Name: "work", Run: func(ctx context.Context, j *pulp.Job, _ string) (string, error) {
		at, err := j.Dir()
		if err != nil {
			return "", err
		}
		f, err := j.App().Receive(ctx, strings.NewReader("half a file"))
		if err != nil {
			return "", err
		}
		defer f.Discard()
		work <- at
		<-ctx.Done()
		_, err = os.Stat(at)
		if err == nil {
			var received *os.File
			if received, err = f.Open(); err == nil {
				err = received.Close()
			}
		}
		return "", err
	}}
	every := pulp.Schedule{Name: "every", Every: time.Hour, Work: s.With("")}
	one := shareTasks(t, dir, pulp.Config{Parts: []pulp.Part{s, every}, Workers: 2})
	one.run()
	ticket := dispatch(one, s, "")
	at := receive(t, work)
	one.exec(`INSERT INTO type (id, kind, name) VALUES (4711, 'repository', 'x.x')`)
	one.exec(`INSERT INTO repository (pulp_id, domain_id, pulp_created, pulp_last_updated, pulp_type, name) VALUES (x'00', 1, 1, 1, 4711, 'r')`)
	one.exec(`INSERT INTO repository_version (pulp_id, domain_id, pulp_created, pulp_last_updated, repository_id, number) VALUES (x'00', 1, 1, 1, 1, 0)`)
	insert := `INSERT INTO publication (pulp_id, domain_id, pulp_created, pulp_last_updated, pulp_type, version_id, task_id) VALUES (?, 1, 1, 1, 4711, 1, ?)`
	one.exec(insert, []byte{1}, 1)
	one.exec(insert, []byte{2}, nil) // nobody's
	stray := filepath.Join(dir, "tasks", "4711-x")
	require.NoError(t, os.MkdirAll(stray, 0o700))

	other := shareTasks(t, dir, pulp.Config{Workers: 1})
	other.run()
	require.NoError(t, other.Sweep(t.Context()))
	require.DirExists(t, at)
	require.NoDirExists(t, stray, "no such worker is there")
	require.Equal(t, pulp.Running, one.row(ticket.ID).State)
	require.Equal(t, 1, one.count("SELECT count(*) FROM publication"))
	require.Equal(t, 1, one.count("SELECT count(*) FROM task_schedule WHERE name = 'every'"))
	require.Equal(t, 2, one.count("SELECT count(*) FROM worker"))

	one.exec("UPDATE task_schedule SET next_dispatch = 1 WHERE name = 'every'") // who does not know it is not kept busy by it
	require.NoError(t, other.AdmitDue(t.Context()))
	require.Equal(t, 1, one.count("SELECT count(*) FROM task WHERE name = 'work'"))
	require.NoError(t, one.Cancel(t.Context(), ticket.ID))
	_, err := wait(t, ticket)
	require.ErrorIs(t, err, pulp.ErrCanceled)
	require.NoError(t, other.Sweep(t.Context()))
	require.Zero(t, one.count("SELECT count(*) FROM publication"), "nobody is at work on it any more")
}

func TestStatusAndWorkersTellOfAllProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := shareTasks(t, dir, pulp.Config{Workers: 1, AdminPassword: "secret"}), shareTasks(t, dir, pulp.Config{Workers: 1})
	one.run()
	other.run()
	one.exec(`INSERT INTO worker (pulp_id, name, pulp_created, pulp_last_updated, last_heartbeat) VALUES (zeroblob(16), 'dead', 1, 1, 1)`)
	ask := func(path string) map[string]any {
		req := httptest.NewRequest("GET", "/pulp/api/v3/"+path, nil)
		req.SetBasicAuth("admin", "secret")
		w := httptest.NewRecorder()
		httpapi.Handler(other.App).ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		return reply{w.Code, w.Body.String()}.object(t)
	}
	require.Len(t, ask("status/")["online_workers"], 2)
	for query, want := range map[string]int{"": 3, "?online=true": 2, "?online=false": 1, "?missing=true": 1, "?missing=false": 2} {
		require.Len(t, ask("workers/" + query)["results"], want, query)
	}
}

func TestPeersAreLookedAtWithoutReadingTables(t *testing.T) {
	t.Parallel()
	h := openTasks(t, t.TempDir(), pulp.Config{Workers: -1})
	for name, text := range pulp.PeerStatements() {
		for _, step := range h.plan(text) {
			ok := regexp.MustCompile(`^SCAN (CONSTANT ROW|worker$|t USING (COVERING )?INDEX task_running)`).MatchString(step)
			require.False(t, strings.HasPrefix(step, "SCAN") && !ok, "%s: %s", name, step)
		}
	}
}

func TestIdleProcessAsksAndWritesNothing(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]sqlite.Option{"alone": nil, "shared": {sqlite.Shared()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, err := sqlite.Open(t.TempDir(), append(options, sqlite.Synchronous(sqlite.Off))...)
			require.NoError(t, err)
			c := &counted{DB: db, n: &atomic.Int64{}}
			c.reader = bun.NewDB(sql.OpenDB(&counting{pool: db.Reader().DB, n: c.n}), sqlitedialect.New())
			task := double()
			h := hostOn(t, c, pulp.Config{Parts: []pulp.Part{task}, Lease: time.Hour})
			t.Cleanup(func() { require.NoError(t, c.reader.Close()) })
			h.run()
			_, err = wait(t, dispatch(h, task, 1))
			require.NoError(t, err)
			<-time.After(time.Second) // what is left of the start
			asked, wrote := c.n.Load(), db.Stats()
			require.NotZero(t, asked)
			<-time.After(time.Second)
			require.Equal(t, asked, c.n.Load())
			require.Equal(t, wrote, db.Stats())
		})
	}
}

func TestOneProcessAtATimeRemovesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := shareTasks(t, dir, pulp.Config{Workers: -1}), shareTasks(t, dir, pulp.Config{Workers: -1})
	release, err := one.HoldRemoval(t.Context()) // as a backup does
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = other.HoldRemoval(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	release()
	release, err = other.HoldRemoval(t.Context())
	require.NoError(t, err)
	release()
}
