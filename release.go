package pulp

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"
)

const deleteReservations = `DELETE FROM reservation WHERE task_id = ?`

// runnable is the blocking rule for a waiting task t: no older unfinished task names one of
// its exclusive resources, and none names one of its shared ones exclusively.
const runnable = `t.state = 'waiting' AND t.unblocked_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM json_each(t.exclusive) w CROSS JOIN reservation r
    ON r.resource = w.value AND r.exclusive IN (0, 1) AND r.task_id < t.id)
  AND NOT EXISTS (SELECT 1 FROM json_each(t.shared) w CROSS JOIN reservation r
    ON r.resource = w.value AND r.exclusive = 1 AND r.task_id < t.id)`

// wanted says whether anybody else wants a resource of ?1, or wants one of ?2 exclusively.
const wanted = `EXISTS (SELECT 1 FROM json_each(?1) w CROSS JOIN reservation r ON r.resource = w.value)
  OR EXISTS (SELECT 1 FROM json_each(?2) w CROSS JOIN reservation r ON r.resource = w.value AND r.exclusive = 1)`

// anyWaits is a quick answer for most tasks that end: nobody waits for them.
const anyWaits = `SELECT ` + wanted

// release finds those who have become runnable because a task (?3) has given up the resources
// ?1, which it reserved exclusively, and ?2, which it shared. On each resource that can be the
// first one left who wants it exclusively and, if the task had it exclusively, all younger ones
// before that who want to share it.
const release = `WITH freed (resource, held) AS MATERIALIZED (
  SELECT value, 1 FROM json_each(?1) UNION ALL SELECT value, 0 FROM json_each(?2)
), head (resource, held, task_id) AS MATERIALIZED (
  SELECT resource, held, (SELECT min(r.task_id) FROM reservation r WHERE r.resource = freed.resource AND r.exclusive = 1) FROM freed
), candidate (id) AS (
  SELECT task_id FROM head WHERE task_id IS NOT NULL
  UNION
  SELECT r.task_id FROM head CROSS JOIN reservation r
    ON r.resource = head.resource AND r.exclusive = 0 AND r.task_id > ?3 AND r.task_id < ifnull(head.task_id, 9223372036854775807)
  WHERE head.held = 1
)
SELECT t.id, t.priority FROM candidate c CROSS JOIN task t ON t.id = c.id WHERE ` + runnable + ` LIMIT ?4`

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
	var waits bool
	if err := tx.Tx.QueryRowContext(ctx, anyWaits, r.exclusive, r.shared).Scan(&waits); err != nil {
		return nil, false, fmt.Errorf("look who waits for task %d: %w", task, err)
	}
	if !waits {
		return nil, false, nil
	}
	return a.released(ctx, tx, task, r)
}

// released returns who has become runnable, by priority and age.
func (a *App) released(ctx context.Context, tx bun.Tx, task int64, r reserved) (freed []released, rest bool, err error) {
	rows, err := tx.Tx.QueryContext(ctx, release, r.exclusive, r.shared, task, releaseLimit)
	if err != nil {
		return nil, false, fmt.Errorf("find who waits for task %d: %w", task, err)
	}
	defer rows.Close()
	for rows.Next() {
		var t released
		if err := rows.Scan(&t.id, &t.priority); err != nil {
			return nil, false, fmt.Errorf("find who waits for task %d: %w", task, err)
		}
		freed = append(freed, t)
	}
	slices.SortFunc(freed, func(x, y released) int {
		return cmp.Or(cmp.Compare(y.priority, x.priority), cmp.Compare(x.id, y.id))
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
