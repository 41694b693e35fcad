package pulp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// maxLimit is the highest N of a [Limit].
const maxLimit = 1000

// A Limit lets at most N tasks that name its Key run at once; the others wait in the order of
// their dispatch, as for a [Reservation], and together with those: a task starts when it has
// all that it needs. It is a [DispatchOption], and may be one of a type's [Task.Limits].
//
// A place is taken by the oldest unfinished tasks, whether they run or wait for something else:
// nobody overtakes, and so nobody starves. All who name a key should say the same N; where
// they differ, each waits until fewer than its own N older ones are left.
type Limit struct {
	// Key is what is limited: "downloads", "host:example.org". It is no resource's name.
	Key string
	// N is how many may run at once, from 1 to 1000.
	N int
}

func (l Limit) apply(d *dispatch) { d.limits = append(d.limits, l) }

// number is the number under which the limit has reservations. No resource's name begins so.
func (l Limit) number() int64 { return resourceNumber("\x00limit:" + l.Key) }

func checkLimits(limits []Limit) error {
	for _, l := range limits {
		if l.Key == "" || l.N < 1 || l.N > maxLimit {
			return fmt.Errorf("limit %q of %d: it needs a key, and a number from 1 to %d", l.Key, l.N, maxLimit)
		}
	}
	return nil
}

// placesOf returns the numbers of places that those may go by who name the limit: that of its
// record, what the declarations say, and what other tasks said.
func (a *App) placesOf(l limitRecord) []int {
	places := append([]int{l.n}, a.limitsNamed.of(l.key)...)
	if n, ok := a.limits[l.key]; ok {
		places = append(places, n)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// limitNumbers are those that tasks named for a limit: all that this process dispatched, and all
// that waited when it began. Of those of other processes the sweep takes care.
type limitNumbers struct {
	mu    sync.Mutex
	byKey map[string][]int
}

func (l *limitNumbers) note(key string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.byKey[key], n) {
		return
	}
	if l.byKey == nil {
		l.byKey = map[string][]int{}
	}
	l.byKey[key] = append(slices.Clone(l.byKey[key]), n) // of returns the old one
}

func (l *limitNumbers) of(key string) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byKey[key]
}

const waitingLimits = `SELECT DISTINCT limits FROM task WHERE state = 'waiting' AND limits <> '[]'`

// noteLimits notes the numbers of all tasks that wait.
func (a *App) noteLimits(ctx context.Context) error {
	err := a.eachRow(ctx, waitingLimits, nil, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		limits, err := limitRecords(text)
		for _, l := range limits {
			a.limitsNamed.note(l.key, l.n)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read the limits of waiting tasks: %w", err)
	}
	return nil
}

// limitRecord is a Limit as a task's row has it: [number, at most, key].
type limitRecord struct {
	number int64
	n      int
	key    string
}

// MarshalJSON writes the record as an array.
func (l limitRecord) MarshalJSON() ([]byte, error) { return json.Marshal([]any{l.number, l.n, l.key}) }

// UnmarshalJSON reads the array.
func (l *limitRecord) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&l.number, &l.n, &l.key})
}

// limitsJSON is the form of limits in a task's row; of several with one key the strictest counts.
func limitsJSON(limits []Limit) string {
	if len(limits) == 0 {
		return noResources
	}
	limits = slices.Clone(limits)
	slices.SortFunc(limits, func(x, y Limit) int { return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.N, y.N)) })
	limits = slices.CompactFunc(limits, func(x, y Limit) bool { return x.Key == y.Key })
	records := make([]limitRecord, len(limits))
	for i, l := range limits {
		records[i] = limitRecord{l.number(), l.N, l.Key}
	}
	return asJSON(records)
}

// limitRecords reads what limitsJSON wrote.
func limitRecords(text string) (out []limitRecord, err error) {
	if text == noResources {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("read limits: %w", err)
	}
	return out, nil
}
