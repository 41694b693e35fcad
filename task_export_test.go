package pulp

import (
	"context"
	"runtime"
	"time"
)

// Sweep is what Run does once a minute.
func (a *App) Sweep(ctx context.Context) error { return a.sweep(ctx) }

// LoseWakeUps makes all wake-ups come to nothing, as if they had been lost, until restore is called.
func (a *App) LoseWakeUps() (restore func()) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.pool.open = false
	return func() {
		a.pool.mu.Lock()
		defer a.pool.mu.Unlock()
		a.pool.open = true
		a.pool.idle = make(chan struct{}) // it may look as if the pool had been stopped
	}
}

// LiveProgress returns the reports of a running task.
func (a *App) LiveProgress(id ID) ([]ProgressReport, bool) {
	var task int64
	if err := a.db.Reader().DB.QueryRow("SELECT id FROM task WHERE pulp_id = ?", id).Scan(&task); err != nil {
		return nil, false
	}
	return a.liveProgress(task)
}

// Claims says whether Run claims tasks.
func (a *App) Claims() bool { return a.pool.accepts() }

// SetClock sets the clock.
func (a *App) SetClock(now func() time.Time) { a.clock = now }

// AdmitDue is what Run does when a task is due.
func (a *App) AdmitDue(ctx context.Context) error { return a.admitDue(ctx, newAlarm(a.cfg.Clock)) }

// HoldWriter calls f while all other writers wait, and then runs a statement, if there is one.
func (a *App) HoldWriter(f func(), statement ...any) error {
	return a.inTx(context.Background(), func(ctx context.Context, s *scope) error {
		f()
		if len(statement) == 0 {
			return nil
		}
		_, err := s.tx.Tx.ExecContext(ctx, statement[0].(string), statement[1:]...)
		return err
	})
}

// AwaitEndings waits until so many tasks wait for the writer to be ended.
func (a *App) AwaitEndings(n int) {
	for {
		a.pool.endings.mu.Lock()
		there := len(a.pool.endings.waiting)
		a.pool.endings.mu.Unlock()
		if there >= n {
			return
		}
		runtime.Gosched()
	}
}

// HotStatements are the statements that run for each task, by name.
func HotStatements() map[string]string {
	return map[string]string{
		"judgeTask": judgeTask, "insertTask": insertTask, "takeMessages": takeMessages, "insertReservations": insertReservations, "listTask": listTask,
		"claimTask": claimTask, "claimTasks": claimTasks, "fence": fence, "endTask": endTask, "endCanceled": endCanceled, "endInline": endInline, "insertCreated": insertCreated,
		"deleteReservation": deleteReservation, "deleteStray": deleteStray, "anyWaits": anyWaits, "release": release,
		"findTask": findTask, "cancelWaiting": cancelWaiting, "cancelRunning": cancelRunning,
		"readOutcome": readOutcome, "findUnique": findUnique, "purgeSQL": purgeSQL + purgeable, "purgeReportsSQL": purgeReportsSQL + purgeable, "purgeCreatedSQL": purgeCreatedSQL + purgeable, "findTaskID": findTaskID, "nextSchedule": nextSchedule, "dueSchedules": dueSchedules, "oneSchedule": oneSchedule,
		"advanceSchedule": advanceSchedule, "findGroup": findGroup, "groupCounts": groupCounts, "groupOpen": groupOpen,
		"jobGroup": jobGroup, "addToGroupReport": addToGroupReport, "startGroupReport": startGroupReport, "findBlocked": findBlocked, "olderTasks": olderTasks, "retryTask": retryTask, "requeueTask": requeueTask, "deleteReports": deleteReports, "nextOfLimit": nextOfLimit,
		"dueTasks": dueTasks, "nextDue": nextDue, "admitTask": admitTask, "isRunnable": isRunnable, "writeProgress": writeProgress, "closeReport": closeReport,
		"beatWorker": beatWorker, "endLost": endLost, "endReports": endReports,
	}
}

// SweepStatements are those of the sweep. They may walk the unfinished tasks, not the others.
func SweepStatements() map[string]string {
	return map[string]string{
		"strayReservations": strayReservations, "strayBlocked": strayBlocked, "strayMessages": strayMessages,
		"strayReady": strayReady, "running": running, "strayPublications": strayPublications,
	}
}

// ReleaseLimit is how many tasks one transaction unblocks.
const ReleaseLimit = releaseLimit

// CrashingAt returns cfg with f called at each point where a process may be killed.
func CrashingAt(cfg Config, f func(point string)) Config {
	cfg.crash = f
	return cfg
}

// ResourceNumber is the number of a resource.
func ResourceNumber(name string) int64 { return resourceNumber(name) }
