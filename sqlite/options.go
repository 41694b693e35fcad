package sqlite

import (
	"io/fs"
	"log/slog"
	"runtime"
	"time"

	modernc "modernc.org/sqlite"
)

// An Option changes one thing about how [Open] opens a database. Nine of ten callers need none.
type Option func(*config)

// config is what the options say, with the defaults filled in.
type config struct {
	synchronous Sync
	readers     int
	batchSize   int
	batchTime   time.Duration
	shared      bool
	log         *slog.Logger
	idleLimit   time.Duration
	slowLimit   time.Duration
	busyTimeout time.Duration
	functions   map[string]*modernc.FunctionImpl // beside SQLite's and ours
	fault       fault
	core        fs.FS // the engine's own migrations
}

func configure(options []Option) config {
	c := config{
		synchronous: Full,
		readers:     max(2, runtime.GOMAXPROCS(0)),
		batchSize:   256,
		batchTime:   10 * time.Millisecond,
		log:         slog.Default(),
		idleLimit:   30 * time.Second,
		slowLimit:   50 * time.Millisecond,
		busyTimeout: 10 * time.Second,
		core:        coreFiles{},
	}
	for _, set := range options {
		set(&c)
	}
	return c
}

// Sync says how much a commit waits for the disk. It is SQLite's PRAGMA synchronous.
type Sync string

// The three ways to commit.
const (
	Full   Sync = "FULL"   // a commit that returned survives a power cut
	Normal Sync = "NORMAL" // a power cut may lose the last commits, never damage the file
	Off    Sync = "OFF"    // a power cut may damage the file; for tests and files that can be made again
)

// Synchronous says how much a commit waits for the disk. The default is [Full].
func Synchronous(s Sync) Option { return func(c *config) { c.synchronous = s } }

// Readers sets how many connections [DB.Reader] has. The default is GOMAXPROCS, at least 2.
func Readers(n int) Option { return func(c *config) { c.readers = max(1, n) } }

// Batch closes a batch after so many transactions or so much time, whichever comes first.
// The default is 256 transactions and 10 ms. Larger limits commit more at once; smaller ones
// let the first caller of a batch wait less for the last.
func Batch(callers int, d time.Duration) Option {
	return func(c *config) { c.batchSize, c.batchTime = max(1, callers), d }
}

// Shared lets other processes of this machine open the same directory, if all of them say
// Shared. The writers of all processes then take turns batch by batch, and four times a second
// the database looks whether somebody has committed, see [DB.Listen].
func Shared() Option { return func(c *config) { c.shared = true } }

// Logger says where the engine writes its warnings. The default is [slog.Default].
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// IdleLimit sets how long a transaction of the writer may stay without a statement before
// it is taken for leaked and rolled back; see [ErrTxIdle]. The default is 30 s.
func IdleLimit(d time.Duration) Option { return func(c *config) { c.idleLimit = d } }

// SlowLimit sets how long a transaction may keep the others waiting before it is logged
// with its caller. The default is 50 ms.
func SlowLimit(d time.Duration) Option { return func(c *config) { c.slowLimit = d } }

// BusyTimeout sets how long to wait for a lock that another process has on the file. The
// default is 10 s.
func BusyTimeout(d time.Duration) Option { return func(c *config) { c.busyTimeout = d } }
