package pulp

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// retention declares the daily task that forgets what ended long ago.
type retention struct{}

// retentionBatch is how many tasks one transaction forgets, since all writers wait meanwhile.
const retentionBatch = 1000

const (
	forgetTasks  = `DELETE FROM task WHERE id IN (SELECT id FROM task WHERE finished_at IS NOT NULL AND finished_at < ? ORDER BY finished_at LIMIT ?)`
	forgetGroups = `DELETE FROM task_group WHERE pulp_last_updated < ? AND NOT EXISTS (SELECT 1 FROM task t WHERE t.group_id = task_group.id)`
)

func (retention) declare(r *registry, owner Plugin) error {
	keep := r.app.cfg.TaskRetention
	if keep < 0 {
		return nil
	}
	task := &Task[struct{}, struct{}]{Name: "pulp.tasks.retention", Run: forgetOld(keep)}
	if err := task.declare(r, owner); err != nil {
		return err
	}
	daily := Schedule{Name: "pulp.tasks.retention", Every: 24 * time.Hour, Work: task.With(struct{}{})}
	return daily.declare(r, owner)
}

// forgetOld deletes the records of tasks that ended so long ago, and groups without any left.
func forgetOld(keep time.Duration) func(context.Context, *Job, struct{}) (struct{}, error) {
	return func(ctx context.Context, j *Job, _ struct{}) (none struct{}, err error) {
		before := TimeOf(j.app.clock().Add(-keep))
		total := j.Progress("purge.tasks.total", "Purged task-objects total", 0)
		for n := int64(retentionBatch); n == retentionBatch; total.Add(n) {
			if n, err = j.delete(ctx, forgetTasks, before, retentionBatch); err != nil {
				return none, fmt.Errorf("forget old tasks: %w", err)
			}
		}
		if _, err = j.delete(ctx, forgetGroups, before); err != nil {
			return none, fmt.Errorf("forget old task groups: %w", err)
		}
		return none, nil
	}
}

// delete runs a statement in a transaction of the task, and returns how many rows it deleted.
func (j *Job) delete(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = j.Tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.Tx.ExecContext(ctx, query, args...)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	return n, err
}
