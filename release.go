package pulp

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"
)

const deleteReservation = `DELETE FROM reservation WHERE resource = ? AND mode = ? AND ticket = ?`

// ticketOf is the place of a task t in the line of each of its resources.
const ticketOf = `ifnull(t.ticket, t.id)`

// runnable is the blocking rule for a waiting task t that is not held back: no older
// unfinished task names one of its exclusive resources, none names one of its shared ones
// exclusively, and of each of its limits older ones leave a place. (1000 is maxLimit: so many
// rows are counted at most.)
const runnable = `t.state = 'waiting' AND t.unblocked_at IS NULL AND t.run_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM json_each(t.exclusive) w CROSS JOIN reservation r
    ON r.resource = w.value AND r.mode IN (0, 1) AND r.ticket < ` + ticketOf + `)
  AND NOT EXISTS (SELECT 1 FROM json_each(t.shared) w CROSS JOIN reservation r
    ON r.resource = w.value AND r.mode = 1 AND r.ticket < ` + ticketOf + `)
  AND NOT EXISTS (SELECT 1 FROM json_each(t.limits) w WHERE w.value ->> 1 <= (SELECT count(*) FROM (
    SELECT 1 FROM reservation r WHERE r.resource = w.value ->> 0 AND r.mode = 2 AND r.ticket < ` + ticketOf + ` LIMIT 1000)))`

// wanted says whether anybody else wants a resource of ?1, or wants one of ?2 exclusively, or a
// limit of ?3 is used up.
const wanted = `EXISTS (SELECT 1 FROM json_each(?1) w CROSS JOIN reservation r ON r.resource = w.value)
  OR EXISTS (SELECT 1 FROM json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = 1)
  OR EXISTS (SELECT 1 FROM json_each(?3) w WHERE w.value ->> 1 <= (SELECT count(*) FROM (
    SELECT 1 FROM reservation r WHERE r.resource = w.value ->> 0 AND r.mode = 2 LIMIT 1000)))`

// anyWaits is a quick answer for most tasks that end: nobody waits for them.
const anyWaits = `SELECT EXISTS (SELECT 1 FROM json_each(?1) w CROSS JOIN reservation r ON r.resource = w.value)
  OR EXISTS (SELECT 1 FROM json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = 1)`

// release finds those who have become runnable because the task of ticket ?3 has given up the
// resources ?1, which it reserved exclusively, and ?2, which it shared. On each resource that
// can be the first one left who wants it exclusively and, if the task had it exclusively, all
// younger ones before that who want to share it. ?5 are the ids of who moved up in a limit.
// Who is found by several ways is returned as often.
const release = `SELECT t.id, t.priority, ` + ticketOf + ` FROM (
  SELECT r.task_id AS id FROM (SELECT value FROM json_each(?1) UNION ALL SELECT value FROM json_each(?2)) w CROSS JOIN reservation r
    ON r.resource = w.value AND r.mode = 1 AND r.ticket = (SELECT min(h.ticket) FROM reservation h WHERE h.resource = w.value AND h.mode = 1)
  UNION ALL
  SELECT r.task_id FROM json_each(?1) w CROSS JOIN reservation r ON r.resource = w.value AND r.mode = 0 AND r.ticket > ?3
    AND r.ticket < ifnull((SELECT min(h.ticket) FROM reservation h WHERE h.resource = w.value AND h.mode = 1), 9223372036854775807)
  UNION ALL
  SELECT value FROM json_each(?5)
) c CROSS JOIN task t ON t.id = c.id WHERE ` + runnable + ` LIMIT ?4 + 0`

// nextOfLimit is the task at place ?2, counted from zero, among those that name a limit.
const nextOfLimit = `SELECT task_id FROM reservation WHERE resource = ?1 AND mode = 2 ORDER BY ticket LIMIT 1 OFFSET ?2`

// releaseLimit is how many tasks one transaction unblocks, since all writers wait meanwhile.
const releaseLimit = 200

// free takes a task that has ended out of the lines of its resources, and returns who has
// become runnable by that, for pass. If there is a rest, releaseRest has to be called after
// the commit.
func (a *App) free(ctx context.Context, tx bun.Tx, task int64, r reserved) (freed []released, rest bool, err error) {
	e := &ending{j: &Job{assignment: assignment{id: task, reserved: r}}}
	freed, err = a.freeAll(ctx, tx, []*ending{e})
	return freed, e.rest, err
}

// unreserve takes a task out of the lines, and returns which they were.
func (a *App) unreserve(ctx context.Context, tx bun.Tx, r reserved) ([]lineKey, error) {
	keys, err := r.keys()
	for _, k := range keys {
		if _, err := tx.Tx.ExecContext(ctx, deleteReservation, k.resource, k.mode, r.ticket); err != nil {
			return nil, err
		}
	}
	return keys, err
}

// anyWaits says whether anybody may wait for these resources or, if it is limited, for a place.
func (a *App) anyWaits(ctx context.Context, tx bun.Tx, exclusive, shared []int64, limited bool) (waits bool, err error) {
	if limited || len(exclusive)+len(shared) == 0 {
		return limited, nil
	}
	if err := tx.Tx.QueryRowContext(ctx, anyWaits, asJSON(exclusive), asJSON(shared)).Scan(&waits); err != nil {
		return false, fmt.Errorf("look who waits: %w", err)
	}
	return waits, nil
}

// movedUp returns the ids of those who got the last place of a limit.
func (a *App) movedUp(ctx context.Context, tx bun.Tx, r reserved) (string, error) {
	limits, err := limitRecords(r.limits)
	ids := []int64{}
	for _, l := range limits {
		for _, n := range a.placesOf(l) {
			var id int64
			err := tx.Tx.QueryRowContext(ctx, nextOfLimit, l.number, n-1).Scan(&id)
			if noRows(err) {
				continue
			}
			if err != nil {
				return "", err
			}
			ids = append(ids, id)
		}
	}
	return asJSON(ids), err
}

// released returns who has become runnable, by priority and age.
func (a *App) released(ctx context.Context, tx bun.Tx, task int64, r reserved) (freed []released, rest bool, err error) {
	moved, err := a.movedUp(ctx, tx, r)
	if err != nil {
		return nil, false, fmt.Errorf("find who is next after task %d: %w", task, err)
	}
	rows, err := tx.Tx.QueryContext(ctx, release, r.exclusive, r.shared, r.ticket, releaseLimit, moved)
	if err != nil {
		return nil, false, fmt.Errorf("find who waits for task %d: %w", task, err)
	}
	defer rows.Close()
	for rows.Next() {
		var t released
		if err := rows.Scan(&t.id, &t.priority, &t.ticket); err != nil {
			return nil, false, fmt.Errorf("find who waits for task %d: %w", task, err)
		}
		freed = append(freed, t)
	}
	rest = len(freed) == releaseLimit
	slices.SortFunc(freed, released.compare)
	return slices.Compact(freed), rest, rows.Err()
}

// releaseRest goes on where a transaction released as many as it might. If it fails or the
// process dies, the sweep finds who is left.
func (a *App) releaseRest(ctx context.Context, task int64, r reserved, rest bool) {
	for rest {
		err := a.inTx(context.WithoutCancel(ctx), func(ctx context.Context, s *scope) error {
			freed, more, err := a.released(ctx, s.tx, task, r)
			if err != nil {
				return err
			}
			rest = more
			_, err = a.pass(ctx, s, freed, false)
			return err
		})
		if err != nil {
			a.log.Warn("tasks stay blocked until the next sweep", "error", err)
			return
		}
	}
}
