package pulp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/gopulp/pulp/internal/blob"
	"github.com/gopulp/pulp/internal/seal"
)

// Config is what an App may be told. The zero Config works.
type Config struct {
	// Plugins add content types. None means an App that has tasks, models and view sets only.
	Plugins []Plugin
	// Parts are the host program's own view sets and tasks.
	Parts []Part
	// Storage holds the artifacts. Nil means the directory "media" in the data directory.
	Storage Storage
	// Workers is how many tasks run at the same time. Zero means one for each CPU, but at
	// least four, since tasks mostly wait for networks and disks. Negative means none: the
	// App dispatches, another one runs.
	Workers int
	// Drain is how long Run lets running tasks go on after its context has ended; then they
	// are canceled. Zero means 30 seconds.
	Drain time.Duration
	// Lease is how long a process that runs tasks may give no sign of life before another one of
	// those that share its database takes it for dead: the other one ends its tasks, or has them
	// start again if they may, and nothing that a process does as a worker that was taken for
	// dead is kept. A sign is given each third of that time. It should be the same in all
	// processes, and much longer than a process may be kept from running; in a database that is not
	// shared it is only how long status calls a process online. Zero means 30 seconds.
	Lease time.Duration
	// TaskRetention is how long the records of tasks that have ended are kept. Zero means 30
	// days, negative for ever.
	TaskRetention time.Duration
	// OrphanProtection is how long content that is in no version, and artifacts that nothing
	// needs, are kept after their last use. A task deletes them once a day. Zero means 24 hours;
	// negative leaves the deleting to clients of the API.
	OrphanProtection time.Duration
	// Quota is how many bytes artifacts and unfinished uploads may take, not counting the database.
	// What would take more is refused: a request by 507, a task fails, each with [ErrFull]; what
	// serves and deletes goes on. What several clients are storing at that moment may exceed it by
	// the last piece of each. Zero means no limit.
	Quota int64
	// MinFree is how many bytes of the disk stay free for the database and for cleaning up: files
	// are refused as by Quota when fewer would be left. Zero means a hundredth of the disk, at
	// most 100 MiB; negative means none.
	MinFree int64
	// StreamAbove is the size in bytes above which a file that is fetched on demand goes to its clients
	// while it comes, hashed on the way: its last byte is held back until all of it was verified, and
	// the connection is cut if it proves wrong or the remote is lost. Smaller files, those of unknown
	// size and, on Windows, all are verified before their first byte is sent. Zero means 16 MiB; negative
	// means that none is streamed.
	StreamAbove int64
	// PublicationGrace is how long a distribution still serves, at paths that its publication lacks,
	// the files of those that it served before, so that clients which have read an older publication's
	// metadata get what it names. Zero means 3 days; negative means not at all. What is deleted, or
	// beyond a repository's retain_repo_versions, is served no longer.
	PublicationGrace time.Duration
	// VersionRetention is how long versions are kept after another one took their place, beside what
	// a repository's retain_repo_versions says. A task deletes older ones once a day, but never the latest
	// version, and none that is distributed or within PublicationGrace. Zero keeps all.
	VersionRetention time.Duration
	// APIRoot is the path of everything that the HTTP handler serves, with slashes at both
	// ends. Empty means "/pulp/".
	APIRoot string
	// ContentOrigin is scheme, host and port of the links to content. Empty means that the
	// links are paths.
	ContentOrigin string
	// SigningServices sign what is published, for plugins whose clients verify it. None means that
	// nothing is signed.
	SigningServices []SigningService
	// AdminPassword is the password of the user "admin". Empty leaves it as it is; a new data
	// directory then gets a random one, see [App.NewAdminPassword].
	AdminPassword string
	// Checksums are the digests of artifacts beside sha256: "md5", "sha1", "sha224", "sha384",
	// "sha512". Nil means sha224, sha384 and sha512.
	Checksums []string
	// ImportPaths are directories below which remotes may name files with file://. None means
	// that no remote may.
	ImportPaths []string
	// AllowRemote is asked for each connection to a remote after its name has been resolved; an
	// error refuses it. Nil allows all.
	AllowRemote func(u *url.URL, addr netip.Addr) error
	// Observer is told what is downloaded and stored, for metrics. Nil means nobody.
	Observer Observer
	// Logger gets what an operator should know. Nil means slog.Default().
	Logger *slog.Logger
	// Clock tells what time it is, and when tasks and schedules are due. Nil means the clock of
	// the system. It is for tests.
	Clock Clock
	// Inline has each task run when the transaction that made it ready has committed, one
	// after the other, before [App.Tx], or the Commit of a transaction of the caller's own,
	// returns. It is for tests, and for programs that do one thing and exit. Run then only sees
	// to what is due; Workers means nothing. A handler that waits for a task never returns, and
	// who dispatches while another goroutine runs tasks leaves his to that one.
	Inline bool
	// Around is called around each [Task.Run], by the goroutine of the handler; it calls run, and
	// returns what that returned or another error, which is then the handler's. What it does
	// before run delays the handler, and the context that it gives to run is the handler's. Nil
	// means the handler alone. RunTx handlers have nothing around them: they are part of a
	// transaction.
	Around func(ctx context.Context, j *Job, run func(ctx context.Context) error) error

	crash func(point string) // of tests: called where a process may be killed
}

// An App is a content platform on one data directory: models, their REST API, tasks and
// content. All its methods may be called by any number of goroutines. Two Apps in one
// process do not know of each other.
type App struct {
	cfg     Config
	db      Database
	log     *slog.Logger
	box     *seal.Box
	storage Storage
	clock   func() time.Time
	domain  domain
	*registry
	*engine
	policies      *policies
	accounts      *accounts
	digests       blob.Set
	flights       *flights
	finds         finds
	misses        misses
	documents     documents
	pageEnds      pageEnds
	counts        memo[int64]   // of the rows of lists, by their queries
	logins        memo[account] // by username
	tally         tally
	removing      *semaphore.Weighted // held by who removes bytes, and by who needs that nobody does
	password      string              // of admin, if Open made it
	closed        atomic.Bool
	unlistenPeers func() // nil if there are none
}

// Open checks all declarations of cfg and reports every mistake at once, brings the schema up
// to date, recovers what a killed process left, and returns an App that is ready to dispatch
// tasks and to be asked. It starts no goroutine; [App.Run] does. The App owns db from now on.
func Open(ctx context.Context, db Database, cfg Config) (*App, error) {
	a := &App{cfg: cfg.withDefaults(), db: db, accounts: newAccounts(), flights: newFlights(), removing: semaphore.NewWeighted(1), policies: &policies{}}
	a.log, a.clock = a.cfg.Logger, a.cfg.Clock.Now
	if err := a.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open app: %w", err), db.Close(), a.closeStorage())
	}
	return a, nil
}

func (a *App) open(ctx context.Context) (err error) {
	if root := a.cfg.APIRoot; !strings.HasPrefix(root, "/") || !strings.HasSuffix(root, "/") {
		return fmt.Errorf("Config.APIRoot %q: it must begin and end with a slash", root)
	}
	if a.cfg.Lease < shortestLease {
		return fmt.Errorf("Config.Lease %s: it must be %s or more", a.cfg.Lease, shortestLease)
	}
	if a.box, err = seal.Open(filepath.Join(a.db.Dir(), "pulp.key")); err != nil {
		return err
	}
	if a.storage = a.cfg.Storage; a.storage == nil {
		dir := Dir
		if a.db.Shared() {
			dir = SharedDir
		}
		if a.storage, err = dir(filepath.Join(a.db.Dir(), "media")); err != nil {
			return err
		}
	}
	a.engine = newEngine(a)
	if a.digests, err = blob.ParseSet(append(a.cfg.Checksums, "sha256")...); err != nil {
		return fmt.Errorf("checksums: %w", err)
	}
	for _, step := range []func(context.Context) error{a.seed, a.seedAdmin, a.declare, a.migrate, a.upgrade, a.index, a.watchHosts, a.keepRoles, a.keepPolicies, a.keepServices, a.noteLimits, a.recover, a.openInline} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	a.listen()
	return nil
}

// shortestLease is one that a process can keep if nothing else is to be done.
const shortestLease = 100 * time.Millisecond

func (c Config) withDefaults() Config {
	if c.APIRoot == "" {
		c.APIRoot = "/pulp/"
	}
	c.ContentOrigin = strings.TrimSuffix(c.ContentOrigin, "/")
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = wallClock{}
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.Lease == 0 {
		c.Lease = 30 * time.Second
	}
	if c.TaskRetention == 0 {
		c.TaskRetention = 30 * 24 * time.Hour
	}
	if c.StreamAbove == 0 {
		c.StreamAbove = 16 << 20
	}
	if c.Checksums == nil {
		c.Checksums = []string{"sha224", "sha384", "sha512"}
	}
	return c
}

// Close ends the App and its database. Run must have returned.
func (a *App) Close() error {
	if a.closed.Swap(true) {
		return nil
	}
	left := a.closeInline()
	if a.unlistenPeers != nil {
		a.unlistenPeers()
	}
	a.waiters.close()
	a.flights.close()
	return errors.Join(left, a.db.Close(), a.closeStorage())
}

// closeStorage closes the storage that Open opened, if it came to that.
func (a *App) closeStorage() error {
	if a.cfg.Storage != nil || a.storage == nil {
		return nil
	}
	return a.storage.blobs().Close()
}

// DB is the App's database, for the host's own queries. Write through DB().Writer() or, to
// have tasks start without delay, through [App.Tx].
func (a *App) DB() Database { return a.db }

// Logger is where the App logs.
func (a *App) Logger() *slog.Logger { return a.log }

// Drain is how long what is under way may go on when the App ends: [Config].Drain.
func (a *App) Drain() time.Duration { return a.cfg.Drain }

// now is the present time of the App's clock.
func (a *App) now() Time { return TimeOf(a.clock()) }

type contextKey int

const (
	appKey contextKey = iota
	callerKey
	txKey
	jobKey
	prefixKey
	pageKey
	foundKey // true: the filters of a list find its few rows by an index
	accessKey
	contentRequestKey
)

// With returns a context that carries a, as Dispatch needs it in a transaction that the
// caller opened by other means than [App.Tx].
func (a *App) With(ctx context.Context) context.Context { return context.WithValue(ctx, appKey, a) }

// FromContext returns the App that ctx carries: in requests, tasks and App.Tx; else nil.
func FromContext(ctx context.Context) *App {
	a, _ := ctx.Value(appKey).(*App)
	return a
}
