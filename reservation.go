package pulp

import "strings"

// A Resource is anything that a task can reserve: an object of the API, or a [Name].
type Resource interface {
	// Resource is the same in every process, and different for different resources.
	Resource() string
}

// A Name is a resource that is no object: "orphans", "nightly report".
type Name string

// Resource returns the name itself.
func (n Name) Resource() string { return string(n) }

// A Reservation names something that a task needs from its start to its end.
//
// Two tasks that reserve the same resource never run at the same time, unless both reserve it
// Shared. A task gets all that it reserves at one moment, and tasks get a resource in the
// order of their dispatch: a writer is never starved by later readers, and no two tasks wait
// for each other.
type Reservation struct {
	resource Resource
	shared   bool
}

// Exclusive reserves r for one task alone.
func Exclusive(r Resource) Reservation { return Reservation{resource: r} }

// Shared reserves r for any number of tasks that do not change it.
func Shared(r Resource) Reservation { return Reservation{resource: r, shared: true} }

// sharedPrefix marks shared names in a task's record of its reservations, as clients know it.
const sharedPrefix = "shared:"

func (r Reservation) String() string {
	if r.shared {
		return strings.Join([]string{sharedPrefix, r.resource.Resource()}, "")
	}
	return r.resource.Resource()
}
