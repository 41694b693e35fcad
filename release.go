package pulp

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"
)

const deleteReservations = `DELETE FROM reservation WHERE task_id = ?`

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
const release = `WITH freed (resource, held) AS MATERIALIZED (
  SELECT value, 1 FROM json_each(?1) UNION ALL SELECT value, 0 FROM json_each(?2)
), head (resource, held, ticket) AS MATERIALIZED (
  SELECT resource, held, (SELECT min(r.ticket) FROM reservation r WHERE r.resource = freed.resource AND r.mode = 1) FROM freed
), candidate (id) AS (
  SELECT r.task_id FROM head CROSS JOIN reservation r ON r.resource = head.resource AND r.mode = 1 AND r.ticket = head.ticket
  UNION
  SELECT r.task_id FROM head CROSS JOIN reservation r
    ON r.resource = head.resource AND r.mode = 0 AND r.ticket > ?3 AND r.ticket < ifnull(head.ticket, 9223372036854775807)
  WHERE head.held = 1
  UNION
  SELECT value FROM json_each(?5)
)
SELECT t.id, t.priority, ` + ticketOf + ` FROM candidate c CROSS JOIN task t ON t.id = c.id WHERE ` + runnable + ` LIMIT ?4`

// nextOfLimit is the task at place ?2, counted from zero, among those that name a limit.
const nextOfLimit = `SELECT task_id FROM reservation WHERE resource = ?1 AND mode = 2 ORDER BY ticket LIMIT 1 OFFSET ?2`

// releaseLimit is how many tasks one transaction unblocks, since all writers wait meanwhile.
const releaseLimit = 200

// free takes a task that has ended out of the lines of its resources, and returns who has
// become runnable by that, for pass. If there is a rest, releaseRest has to be called after
// the commit.
func (a *App) free(ctx context.Context, tx bun.Tx, task int64, r reserved) (freed []released, rest bool, err error) {
	if r.none() {
		return nil, false, nil
	}
	if _, err := tx.Tx.ExecContext(ctx, deleteReservations, task); err != nil {
		return nil, false, fmt.Errorf("delete reservations of task %d: %w", task, err)
	}
	waits := r.limits != noResources
	if !waits {
		if err := tx.Tx.QueryRowContext(ctx, anyWaits, r.exclusive, r.shared).Scan(&waits); err != nil {
			return nil, false, fmt.Errorf("look who waits for task %d: %w", task, err)
		}
	}
	if !waits {
		return nil, false, nil
	}
	return a.released(ctx, tx, task, r)
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
	slices.SortFunc(freed, func(x, y released) int {
		return cmp.Or(cmp.Compare(y.priority, x.priority), cmp.Compare(x.ticket, y.ticket))
	})
	return freed, len(freed) == releaseLimit, rows.Err()
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
