package pulp

import (
	"io/fs"
)

// A Plugin adds content types to an App. It is a value, made by a function of its package and
// named in [Config.Plugins]; nothing registers itself. Its life:
//
//  1. It is declared: a literal with a name, a version and parts.
//  2. Open checks all parts and reports every mistake at once: types named twice, unknown
//     tags, fields of a detail that its kind has already.
//  3. Its types get their numbers.
//  4. Its migrations run, for side tables of its own.
//  5. Indexes for the fields with a filter tag are made, and those no longer named dropped.
//  6. The HTTP handler mounts its view sets.
//  7. Run runs its tasks.
type Plugin struct {
	// Name is a short word: it is in the paths, types and task names. It is never changed.
	Name string
	// Version is what status reports.
	Version string
	// Parts are its types, view sets and tasks.
	Parts []Part
	// Migrations holds *.up.sql files for side tables. Nil means none.
	Migrations fs.FS
}

// A Part is one declaration of a plugin or of the host: a type of a kind, a [ViewSet], a
// [Task]. Only this package makes parts.
type Part interface {
	// declare checks the part and registers it for one App, as belonging to an owner.
	declare(r *registry, owner Plugin) error
}
