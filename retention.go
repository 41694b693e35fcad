package pulp

import (
	"context"
	"fmt"
	"time"
)

// retention declares the daily task that forgets what ended long ago.
type retention struct{}

const forgetGroups = `DELETE FROM task_group WHERE pulp_last_updated < ? AND NOT EXISTS (SELECT 1 FROM task t WHERE t.group_id = task_group.id)`

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
		if err := j.forgetTasks(ctx, purgeable, before, jsonTexts(finalStates)); err != nil {
			return none, err
		}
		if _, err = j.exec(ctx, forgetGroups, before); err != nil {
			return none, fmt.Errorf("forget old task groups: %w", err)
		}
		return none, nil
	}
}
