package pulp

import (
	"context"
	"fmt"
)

const (
	pauseType   = `INSERT INTO paused_type (name, pulp_created) VALUES (?, ?) ON CONFLICT DO NOTHING`
	resumeType  = `DELETE FROM paused_type WHERE name = ?`
	pausedTypes = `SELECT name FROM paused_type ORDER BY name`
)

// Pause keeps the tasks of a type from starting until [App.Resume] is called, also over a
// restart. Those that run go on. Those that wait keep their places, and so keep others
// waiting who need the same resources. ErrNotFound says that this App has no such type.
func (a *App) Pause(ctx context.Context, taskType string) error {
	if a.tasks[taskType].task == nil {
		return fmt.Errorf("pause task type %q: %w", taskType, ErrNotFound)
	}
	err := a.inTx(ctx, func(ctx context.Context, s *scope) error {
		_, err := s.tx.Tx.ExecContext(ctx, pauseType, taskType, a.now())
		return err
	})
	if err != nil {
		return fmt.Errorf("pause task type %q: %w", taskType, err)
	}
	return nil
}

// Resume lets the tasks of a type start again. Of a type that is not paused it changes nothing.
func (a *App) Resume(ctx context.Context, taskType string) error {
	err := a.inTx(ctx, func(ctx context.Context, s *scope) error {
		_, err := s.tx.Tx.ExecContext(ctx, resumeType, taskType)
		return err
	})
	if err == nil {
		// Those whose turn came meanwhile are on no list. If this fails, the sweep finds them.
		err = a.mendAll(ctx, strayReady, a.listStray)
	}
	if err != nil {
		return fmt.Errorf("resume task type %q: %w", taskType, err)
	}
	a.pool.wake()
	return nil
}

// Paused returns the types that are paused, in the order of their names.
func (a *App) Paused(ctx context.Context) (types []string, err error) {
	rows, err := a.db.Reader().DB.QueryContext(ctx, pausedTypes)
	if err != nil {
		return nil, fmt.Errorf("read paused task types: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read paused task types: %w", err)
		}
		types = append(types, name)
	}
	return types, rows.Err()
}
