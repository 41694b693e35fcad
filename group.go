package pulp

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
)

// A TaskGroup is a number of tasks that belong together: the parts of one import, the mirrors
// of one night. It is counted, reported on and canceled as one; its tasks know nothing of each
// other.
type TaskGroup struct {
	// ID is the group's id.
	ID  ID
	app *App
	id  int64
}

const (
	insertGroup = `INSERT INTO task_group (pulp_id, domain_id, created_by, pulp_created, pulp_last_updated, description)
VALUES (?1, ?2, ?3, ?4, ?4, ?5) RETURNING id`
	findGroup   = `SELECT id FROM task_group WHERE pulp_id = ?`
	finishGroup = `UPDATE task_group SET all_tasks_dispatched = 1, pulp_last_updated = ? WHERE id = ?`
	groupCounts = `SELECT state, count(*) FROM task WHERE group_id = ? GROUP BY state`
	// groupOpen are the tasks of a group that have not been canceled, the youngest first.
	groupOpen = `SELECT pulp_id FROM task WHERE group_id = ? AND state IN ('waiting', 'running') ORDER BY id DESC`
	jobGroup  = `SELECT g.id, g.pulp_id FROM task t JOIN task_group g ON g.id = t.group_id WHERE t.id = ?`

	startGroupReport = `INSERT INTO group_progress_report (group_id, code, message, total, done) VALUES (?1, ?2, ?3, ?4, 0)
ON CONFLICT (group_id, code) DO UPDATE SET message = excluded.message, total = excluded.total`
	addToGroupReport = `UPDATE group_progress_report SET done = done + ?1 WHERE group_id = ?2 AND code = ?3 RETURNING done`
)

// NewGroup makes a group in tx; it is there if tx commits. ctx must carry the [Caller] as for
// [Task.Dispatch].
func (a *App) NewGroup(ctx context.Context, tx bun.Tx, description string) (*TaskGroup, error) {
	g := &TaskGroup{ID: NewID(), app: a}
	row := tx.Tx.QueryRowContext(ctx, insertGroup, g.ID, a.domain.ID, CallerOf(ctx).AccountID, a.now(), description)
	if err := row.Scan(&g.id); err != nil {
		return nil, fmt.Errorf("make task group: %w", err)
	}
	return g, nil
}

// TaskGroup returns the group of that id, or ErrNotFound.
func (a *App) TaskGroup(ctx context.Context, id ID) (*TaskGroup, error) {
	g := &TaskGroup{ID: id, app: a}
	err := a.db.Reader().DB.QueryRowContext(ctx, findGroup, id).Scan(&g.id)
	if noRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("task group %s: %w", id, err)
	}
	return g, nil
}

// Group makes a task a member of g. It is a [DispatchOption]; nil says nothing.
func Group(g *TaskGroup) DispatchOption {
	return option(func(d *dispatch) {
		if g != nil {
			d.group, d.groupID = &g.id, g.ID
		}
	})
}

// Group returns the group of the task; nil if it is in none. What the task dispatches is in it
// only if told so.
func (j *Job) Group(ctx context.Context, db bun.IDB) (*TaskGroup, error) {
	g := &TaskGroup{app: j.app}
	err := raw(db).QueryRowContext(ctx, jobGroup, j.id).Scan(&g.id, &g.ID)
	if noRows(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the group of task %s: %w", j.pulpID, err)
	}
	return g, nil
}

// Finish records that no more tasks will become members, as clients of the API see it in
// all_tasks_dispatched. Nothing is refused after it.
func (g *TaskGroup) Finish(ctx context.Context, tx bun.Tx) error {
	if _, err := tx.Tx.ExecContext(ctx, finishGroup, g.app.now(), g.id); err != nil {
		return fmt.Errorf("finish task group %s: %w", g.ID, err)
	}
	return nil
}

// Report starts a report of the group's progress under a code, or gives the one that is there a
// new message and total; what is done stays. Zero total means that it is not known.
func (g *TaskGroup) Report(ctx context.Context, tx bun.Tx, code, message string, total int64) error {
	if _, err := tx.Tx.ExecContext(ctx, startGroupReport, g.id, code, message, known(total)); err != nil {
		return fmt.Errorf("report on task group %s: %w", g.ID, err)
	}
	return nil
}

// Add adds n to what is done in the report of that code, and returns the sum; whatever members
// do so at the same time, nothing is lost. ErrNotFound says that no such report was started.
func (g *TaskGroup) Add(ctx context.Context, tx bun.Tx, code string, n int64) (done int64, err error) {
	err = tx.Tx.QueryRowContext(ctx, addToGroupReport, n, g.id, code).Scan(&done)
	if noRows(err) {
		err = ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("report %s of task group %s: %w", code, g.ID, err)
	}
	return done, nil
}

// Counts returns how many tasks of the group are in each state; states without any are left out.
func (g *TaskGroup) Counts(ctx context.Context) (map[State]int, error) {
	counts := map[State]int{}
	err := g.app.eachRow(ctx, groupCounts, []any{g.id}, func(scan func(...any) error) error {
		var state State
		var n int
		err := scan(&state, &n)
		counts[state] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count the tasks of group %s: %w", g.ID, err)
	}
	return counts, nil
}

// Cancel cancels all tasks of the group that have not ended, as [App.Cancel] does, and those
// that become members meanwhile. The youngest come first, so that none starts because one
// before it ended. ErrConflict says that there was none.
func (g *TaskGroup) Cancel(ctx context.Context) error {
	for canceled := false; ; canceled = true {
		open, err := g.open(ctx)
		if err == nil && len(open) == 0 {
			if !canceled {
				err = ErrConflict
			}
			return err
		}
		for _, id := range open {
			if err == nil {
				err = g.app.Cancel(ctx, id)
			}
			if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
				err = nil // it ended, or was deleted, in between
			}
		}
		if err != nil {
			return fmt.Errorf("cancel task group %s: %w", g.ID, err)
		}
	}
}

func (g *TaskGroup) open(ctx context.Context) (ids []ID, err error) {
	err = g.app.eachRow(ctx, groupOpen, []any{g.id}, func(scan func(...any) error) error {
		var id ID
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}
