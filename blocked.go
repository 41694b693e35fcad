package pulp

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// A BlockReason says in a word why a task does not start.
type BlockReason string

// The reasons for which tasks wait.
const (
	BlockedByResource BlockReason = "resource"       // an older task reserves what it needs
	BlockedByLimit    BlockReason = "limit"          // older tasks have all places of a limit
	BlockedByTime     BlockReason = "not due"        // it is held back until its time
	BlockedByPause    BlockReason = "paused"         // its type is paused
	BlockedByWorkers  BlockReason = "no worker free" // nothing but a worker is missing
)

// A Blocker is one thing that keeps a task from starting.
type Blocker struct {
	Reason   BlockReason
	Task     ID     // the older task, for BlockedByResource and BlockedByLimit; else zero
	State    State  // of that task: if it is Waiting, it blocks by its place in the line
	Resource string // the name of the resource, or the key of the limit; else empty
	Until    Time   // for BlockedByTime; else zero
}

// blockersShown is how many older tasks are named of each resource.
const blockersShown = 10

const (
	findBlocked = `SELECT t.state, ifnull(t.run_at, 0), t.unblocked_at IS NOT NULL, t.exclusive, t.shared, t.limits, t.record, ` + ticketOf + `,
  EXISTS (SELECT 1 FROM paused_type p WHERE p.name = t.name) FROM task t WHERE t.pulp_id = ?`
	// olderTasks are those that stand before ticket ?3 in the line of a resource.
	olderTasks = `SELECT t.pulp_id, t.state FROM reservation r CROSS JOIN task t ON t.id = r.task_id
WHERE r.resource = ?1 AND r.mode = ?2 AND r.ticket < ?3 ORDER BY r.ticket LIMIT ?4 + 0`
)

// BlockedBy says why a task does not start: nothing if it has started or ended. Of each of its
// resources it names the oldest tasks in the way, ten at most of each kind; those that run are
// what everybody waits for. Its cost does not depend on how many tasks wait. ErrNotFound says
// that there is no such task.
func (a *App) BlockedBy(ctx context.Context, id ID) ([]Blocker, error) {
	var state State
	var until Time
	var unblocked, paused bool
	var r reserved
	err := a.db.Reader().DB.QueryRowContext(ctx, findBlocked, id).
		Scan(&state, &until, &unblocked, &r.exclusive, &r.shared, &r.limits, &r.record, &r.ticket, &paused)
	if noRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", id, err)
	}
	var out []Blocker
	switch {
	case state != Waiting:
		return nil, nil
	case until != 0:
		out = append(out, Blocker{Reason: BlockedByTime, Until: until})
	case !unblocked:
		if out, err = a.inTheWay(ctx, r); err != nil {
			return nil, fmt.Errorf("task %s: find who blocks it: %w", id, err)
		}
	}
	if paused {
		out = append(out, Blocker{Reason: BlockedByPause})
	}
	if len(out) == 0 {
		out = append(out, Blocker{Reason: BlockedByWorkers})
	}
	return out, nil
}

// inTheWay lists older tasks that reserve the same.
func (a *App) inTheWay(ctx context.Context, r reserved) (out []Blocker, err error) {
	var record []string
	if err := json.Unmarshal([]byte(r.record), &record); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, entry := range record {
		name, shared := strings.CutPrefix(entry, sharedPrefix)
		if seen[name] { // a name in both lists is reserved exclusively
			continue
		}
		seen[name] = true
		modes := []int{1, 0}
		if shared {
			modes = modes[:1]
		}
		for _, mode := range modes {
			b := Blocker{Reason: BlockedByResource, Resource: name}
			if out, err = a.older(ctx, out, b, resourceNumber(name), mode, r.ticket, blockersShown); err != nil {
				return nil, err
			}
		}
	}
	limits, err := limitRecords(r.limits)
	for _, l := range limits {
		had := len(out)
		b := Blocker{Reason: BlockedByLimit, Resource: l.key}
		if out, err = a.older(ctx, out, b, l.number, 2, r.ticket, l.n); err != nil {
			return nil, err
		}
		if len(out)-had < l.n { // there is a place left
			out = out[:had]
		}
		out = out[:min(len(out), had+blockersShown)]
	}
	return out, err
}

// older appends a copy of b for each older task of a line.
func (a *App) older(ctx context.Context, out []Blocker, b Blocker, resource int64, mode int, ticket int64, most int) ([]Blocker, error) {
	err := a.eachRow(ctx, olderTasks, []any{resource, mode, ticket, most}, func(scan func(...any) error) error {
		err := scan(&b.Task, &b.State)
		out = append(out, b)
		return err
	})
	return out, err
}
