package pulp

import (
	"context"
	"fmt"
)

// What the sweep looks for, on a reader: none of it is there unless something went wrong. Each
// is looked at again in the transaction that mends it.
const (
	// strayReservations are those of tasks that have ended, by their keys.
	strayReservations = `SELECT json_array(r.resource, r.mode, r.ticket) FROM reservation r
WHERE NOT EXISTS (SELECT 1 FROM task t WHERE t.id = r.task_id AND t.state IN ('waiting', 'running', 'canceling'))`
	// strayBlocked are tasks that wait for nobody, but were not told so.
	strayBlocked = `SELECT t.id FROM task t WHERE ` + runnable + ` ORDER BY ` + ticketOf
	// strayMessages are those of tasks that are not ready.
	strayMessages = `SELECT g.id FROM goqite g WHERE g.queue = '` + queueName + `'
  AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = CAST(g.body AS INTEGER) AND t.state = 'waiting' AND t.message = g.id)`
	// strayPublications are those that nobody is at work on (any more). Versions are settled by
	// the next task of their repository.
	strayPublications = `SELECT p.id FROM publication p WHERE NOT p.complete AND NOT ` + largeFiles + `
  AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = p.task_id AND t.state IN ('running', 'canceling'))`
	// strayReady are tasks that are ready but on no list.
	strayReady = `SELECT t.id FROM task t WHERE t.state = 'waiting' AND t.unblocked_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM goqite g WHERE g.id = t.message)
  AND NOT EXISTS (SELECT 1 FROM paused_type p WHERE p.name = t.name) ORDER BY ` + ticketOf
)

// How the sweep mends it.
const (
	deleteStray = `DELETE FROM reservation WHERE resource = ?1 ->> 0 AND mode = ?1 ->> 1 AND ticket = ?1 ->> 2
  AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = task_id AND t.state IN ('waiting', 'running', 'canceling'))`
	deletePublication = `DELETE FROM publication WHERE id = ?1 AND NOT complete
  AND NOT EXISTS (SELECT 1 FROM task t WHERE t.id = publication.task_id AND t.state IN ('running', 'canceling'))`
	isRunnable = `SELECT t.priority, ` + ticketOf + ` FROM task t WHERE t.id = ?1 AND ` + runnable
	isStray    = `SELECT priority FROM task t WHERE t.id = ?1 AND t.state = 'waiting' AND t.unblocked_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM goqite g WHERE g.id = t.message) AND NOT EXISTS (SELECT 1 FROM paused_type p WHERE p.name = t.name)`
	isListed = `SELECT 1 FROM task WHERE id = (SELECT CAST(body AS INTEGER) FROM goqite WHERE id = ?1) AND state = 'waiting' AND message = ?1`
)

// sweep makes the rows of all unfinished tasks agree: it ends tasks that were lost, frees what
// ended tasks still reserve, unblocks who waits for nobody, and makes the ready list hold
// exactly the tasks that are ready. It also removes what lost tasks left of publications and
// working files. Then it wakes a worker. Nothing depends on it as long as
// nothing fails; with it, nothing that fails keeps a task for ever.
func (a *App) sweep(ctx context.Context) error {
	if err := a.endLost(ctx); err != nil {
		return err
	}
	steps := []struct {
		find string
		mend func(ctx context.Context, s *scope, id any) error
	}{
		{strayPublications, a.dropPublication},
		{strayReservations, a.dropStray},
		{strayBlocked, a.unblockStray},
		{strayMessages, a.dropMessage},
		{strayReady, a.listStray},
	}
	for _, step := range steps {
		if err := a.mendAll(ctx, step.find, step.mend); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	if err := a.eraseRest(ctx); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	a.ready.doubt()
	a.pool.wake()
	a.pool.rearm()
	return a.removeDirs(ctx)
}

// mendAll calls mend for each id that find yields, a batch in a transaction.
func (a *App) mendAll(ctx context.Context, find string, mend func(ctx context.Context, s *scope, id any) error) error {
	rows, err := a.db.Reader().DB.QueryContext(ctx, find)
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []any
	for rows.Next() {
		var id any
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(recoverBatch, len(ids))
		err := a.inTx(ctx, func(ctx context.Context, s *scope) error {
			for _, id := range ids[:n] {
				if err := mend(ctx, s, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

func (a *App) dropStray(ctx context.Context, s *scope, key any) error {
	_, err := s.tx.Tx.ExecContext(ctx, deleteStray, key)
	return err
}

func (a *App) dropPublication(ctx context.Context, s *scope, publication any) error {
	_, err := s.tx.Tx.ExecContext(ctx, deletePublication, publication)
	return err
}

func (a *App) unblockStray(ctx context.Context, s *scope, task any) error {
	t := released{id: task.(int64)}
	err := s.tx.Tx.QueryRowContext(ctx, isRunnable, t.id).Scan(&t.priority, &t.ticket)
	if noRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = a.pass(ctx, s, []released{t}, false)
	return err
}

func (a *App) dropMessage(ctx context.Context, s *scope, message any) error {
	var listed bool
	err := s.tx.Tx.QueryRowContext(ctx, isListed, message).Scan(&listed)
	if noRows(err) {
		return a.ready.drop(ctx, s.tx, message.(string))
	}
	return err
}

func (a *App) listStray(ctx context.Context, s *scope, task any) error {
	t := released{id: task.(int64)}
	err := s.tx.Tx.QueryRowContext(ctx, isStray, t.id).Scan(&t.priority)
	if noRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return a.push(ctx, s.tx, t.id, t.priority)
}
