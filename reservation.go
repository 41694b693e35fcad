package pulp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

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

func (r Reservation) apply(d *dispatch) { d.reservations = append(d.reservations, r) }

// A reserved is what a task reserves, in the forms in which its row holds it, all JSON, and its
// place in the lines.
type reserved struct {
	ticket    int64  // zero until it is known
	exclusive string // numbers of resources
	shared    string // numbers of resources, none of them in exclusive
	record    string // names, as clients know them
	limits    string // what limitsJSON makes
}

// noResources is the JSON of a task's resources if it has none.
const noResources = "[]"

// none says whether nothing is reserved: nobody waits for such a task.
func (r reserved) none() bool {
	return r.exclusive == noResources && r.shared == noResources && r.limits == noResources
}

// The modes in which a task is in a line.
const (
	modeShared = iota
	modeExclusive
	modeCounted
)

// A lineKey says in which line a task is, and how.
type lineKey struct {
	resource int64
	mode     int
}

// keys are all lines that the task is in.
func (r reserved) keys() (keys []lineKey, err error) {
	add := func(text string, mode int) {
		var numbers []int64
		err = errors.Join(err, json.Unmarshal([]byte(text), &numbers))
		for _, n := range numbers {
			keys = append(keys, lineKey{n, mode})
		}
	}
	add(r.exclusive, modeExclusive)
	add(r.shared, modeShared)
	limits, fault := limitRecords(r.limits)
	for _, l := range limits {
		keys = append(keys, lineKey{l.number, modeCounted})
	}
	return keys, errors.Join(err, fault)
}

// reserve puts claims into the form of a task's row. Every task is recorded as sharing its
// domain, for clients expect it; but no reservation is made of that, as no task reserves a
// domain exclusively so far. The first that does must bring rows for the shares, too.
func reserve(claims []claim, limits []Limit, domain string) reserved {
	exclusive, shared := []int64{}, []int64{}
	record, shares := []string{}, []string{}
	for _, c := range claims {
		if c.shared {
			shares = append(shares, sharedPrefix+c.name)
			shared = append(shared, resourceNumber(c.name))
			continue
		}
		record = append(record, c.name)
		exclusive = append(exclusive, resourceNumber(c.name))
	}
	slices.Sort(exclusive)
	exclusive = slices.Compact(exclusive)
	shared = slices.DeleteFunc(shared, func(n int64) bool { return slices.Contains(exclusive, n) })
	slices.Sort(shared)
	shared = slices.Compact(shared)
	record = append(record, shares...)
	if !slices.Contains(record, domain) && !slices.Contains(record, sharedPrefix+domain) {
		record = append(record, sharedPrefix+domain)
	}
	return reserved{exclusive: asJSON(exclusive), shared: asJSON(shared), record: asJSON(record), limits: limitsJSON(limits)}
}

// resourceNumber is the first 64 bits of the name's SHA-256. Names that collide wait for each
// other without need, which does no harm.
func resourceNumber(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

func asJSON[T int64 | string | limitRecord](list []T) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // numbers and strings always have a JSON form
	}
	return string(b)
}
