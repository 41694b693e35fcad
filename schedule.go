package pulp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/uptrace/bun"
)

// A Schedule dispatches a task from time to time while [App.Run] runs. It is a [Part]: its
// times are kept over restarts by its name; one that is not declared any more is forgotten.
//
// At most one of its tasks is unfinished: a time at which the last one still waits or runs is
// skipped, and so are the times at which no process ran.
//
// Processes that share a database dispatch each time once. They should declare the same: one
// that only some declare is dispatched by these, and forgotten by the next Open of a process
// that has the database for itself; one that they declare differently has the rhythm of the
// process that was opened last.
type Schedule struct {
	// Name tells schedules apart, for ever.
	Name string
	// Every is the interval. The first run is one interval after the first Open that knows the
	// schedule. Zero means that there is Cron instead.
	Every time.Duration
	// Cron are the five fields of a crontab line, or "@daily" and the like, in UTC, or in the
	// zone of a "CRON_TZ=Europe/Berlin " before them. Empty means that there is Every instead.
	Cron string
	// Work is what is dispatched, made by [Task.With].
	Work Work
}

// Work is a task to be dispatched at some time: its type, arguments and options.
type Work struct {
	name     string
	dispatch func(ctx context.Context, tx bun.Tx) (task int64, err error)
}

// With makes [Work] of a task type: what its Dispatch would be called with.
func (t *Task[A, R]) With(args A, opts ...DispatchOption) Work {
	return Work{name: t.Name, dispatch: func(ctx context.Context, tx bun.Tx) (int64, error) {
		ticket, err := t.Dispatch(ctx, tx, args, opts...)
		if err != nil {
			return 0, err
		}
		return ticket.task, nil
	}}
}

// A rhythm is a schedule that is ready to be asked.
type rhythm struct {
	Schedule
	cron cron.Schedule // nil for an interval
}

func (s Schedule) declare(r *registry, _ Plugin) error {
	it := rhythm{Schedule: s}
	switch {
	case s.Name == "":
		return errors.New("a schedule has no name")
	case s.Work.dispatch == nil:
		return fmt.Errorf("schedule %q has no work", s.Name)
	case (s.Every == 0) == (s.Cron == ""):
		return fmt.Errorf("schedule %q needs either Every or Cron", s.Name)
	case s.Every != 0 && s.Every < time.Second:
		return fmt.Errorf("schedule %q: Every %s is less than a second", s.Name, s.Every)
	case r.schedules[s.Name].Name != "":
		return fmt.Errorf("schedule %q is declared twice", s.Name)
	}
	if s.Cron != "" {
		var err error
		if it.cron, err = cron.ParseStandard(s.Cron); err != nil {
			return fmt.Errorf("schedule %q: %w", s.Name, err)
		}
	}
	r.schedules[s.Name] = it
	return nil
}

// text is what tells one rhythm from another.
func (r rhythm) text() string {
	if r.cron != nil {
		return r.Cron
	}
	return r.Every.String()
}

// after is the first time after now; last is the one before, zero if there was none. A zero
// result means never.
func (r rhythm) after(now, last time.Time) time.Time {
	switch {
	case r.cron != nil:
		return r.cron.Next(now.UTC())
	case last.IsZero():
		return now.Add(r.Every)
	}
	missed := max(0, now.Sub(last)/r.Every)
	return last.Add((missed + 1) * r.Every)
}

const (
	readSchedules = `SELECT name, rhythm, task_name FROM task_schedule`
	dropSchedule  = `DELETE FROM task_schedule WHERE name = ?`
	// setSchedule makes the row of a schedule, or gives it another rhythm.
	setSchedule = `INSERT INTO task_schedule (pulp_id, domain_id, pulp_created, pulp_last_updated, name, task_name, rhythm, dispatch_interval, next_dispatch)
VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (name) DO UPDATE SET pulp_last_updated = excluded.pulp_last_updated, task_name = excluded.task_name, rhythm = excluded.rhythm,
  dispatch_interval = excluded.dispatch_interval, next_dispatch = excluded.next_dispatch`
	// Of those that this App declares (?1); in a shared database there may be others.
	nextSchedule = `SELECT min(next_dispatch) FROM task_schedule WHERE next_dispatch IS NOT NULL AND name IN (SELECT value FROM json_each(?1))`
	dueSchedules = `SELECT name FROM task_schedule WHERE next_dispatch IS NOT NULL AND next_dispatch <= ?2
AND name IN (SELECT value FROM json_each(?1)) ORDER BY next_dispatch`
	// oneSchedule reads a schedule that is due, and whether its last task has not finished.
	oneSchedule = `SELECT s.next_dispatch, EXISTS (SELECT 1 FROM task t WHERE t.id = s.last_task_id AND t.state IN ('waiting', 'running', 'canceling'))
FROM task_schedule s WHERE s.name = ? AND s.next_dispatch <= ?`
	advanceSchedule = `UPDATE task_schedule SET next_dispatch = ?1, last_task_id = ifnull(?2, last_task_id), pulp_last_updated = ?3 WHERE name = ?4`
)

// keepSchedules makes the rows of schedules agree with the declarations.
func (a *App) keepSchedules(ctx context.Context) error {
	type row struct{ rhythm, task string }
	there := map[string]row{}
	err := a.eachRow(ctx, readSchedules, nil, func(scan func(...any) error) error {
		var name string
		var r row
		err := scan(&name, &r.rhythm, &r.task)
		there[name] = r
		return err
	})
	if err != nil {
		return fmt.Errorf("read schedules: %w", err)
	}
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		for name := range there {
			if _, declared := a.schedules[name]; declared || a.db.Shared() {
				continue // or another process declares it
			}
			if _, err := s.tx.Tx.ExecContext(ctx, dropSchedule, name); err != nil {
				return fmt.Errorf("forget schedule %q: %w", name, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(a.schedules)) {
			r := a.schedules[name]
			if there[name] == (row{r.text(), r.Work.name}) {
				continue
			}
			_, err := s.tx.Tx.ExecContext(ctx, setSchedule, NewID(), a.domain.ID, a.now(), name, r.Work.name, r.text(),
				microsOrNull(r.Every), timeOrNull(r.after(a.clock(), time.Time{})))
			if err != nil {
				return fmt.Errorf("keep schedule %q: %w", name, err)
			}
		}
		return nil
	})
}

// scheduleNames are the schedules of this App, as JSON.
func (a *App) scheduleNames() string { return jsonTexts(slices.Collect(maps.Keys(a.schedules))) }

// runSchedules dispatches what is due.
func (a *App) runSchedules(ctx context.Context) error {
	var names []string
	err := a.eachRow(ctx, dueSchedules, []any{a.scheduleNames(), a.now()}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("read schedules that are due: %w", err)
	}
	for _, name := range names {
		r := a.schedules[name]
		err := a.runSchedule(ctx, r, r.Work.dispatch)
		if err != nil { // another time; this one is not to keep the others waiting
			a.log.Error("cannot dispatch the task of a schedule", "schedule", name, "error", err)
			err = a.runSchedule(ctx, r, nil)
		}
		if err != nil {
			return fmt.Errorf("schedule %q: %w", name, err)
		}
	}
	return nil
}

// runSchedule dispatches the task of a schedule that is due, unless the last one is unfinished
// or dispatch is nil, and sets its next time.
func (a *App) runSchedule(ctx context.Context, r rhythm, dispatch func(context.Context, bun.Tx) (int64, error)) error {
	return a.inTx(ctx, func(ctx context.Context, s *scope) error {
		var due Time
		var unfinished bool
		err := s.tx.Tx.QueryRowContext(ctx, oneSchedule, r.Name, a.now()).Scan(&due, &unfinished)
		if noRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		var task *int64
		if dispatch != nil && !unfinished {
			id, err := dispatch(ctx, s.tx)
			if err != nil {
				return err
			}
			task = &id
		}
		_, err = s.tx.Tx.ExecContext(ctx, advanceSchedule, timeOrNull(r.after(a.clock(), due.Time())), task, a.now(), r.Name)
		return err
	})
}
